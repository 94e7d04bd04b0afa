package factors

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // HMAC-SHA-1 is what every authenticator app knows; nothing known breaks it (RFC 6238 section 1.2)
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What apps take for granted, whatever the QR code says.
const (
	Digits = 6
	Step   = 30 * time.Second

	secretSize = 20 // bytes: as long as the hash (RFC 4226 section 4, R6)
	modulus    = 1_000_000
)

// drift is how many steps a clock may be off, either way (RFC 6238 section 5.2): a code is
// good for 90 seconds at the most.
const drift = 1

// Secret is what an app and we share. It does not print itself.
type Secret struct{ raw model.Sensitive }

// NewSecret makes one of 160 random bits (ASVS 6.5.3).
func NewSecret() Secret {
	raw := make([]byte, secretSize)
	_, _ = rand.Read(raw) // never fails
	return Secret{model.NewSensitive(raw)}
}

// StepAt is the step that a time is in, from 1970.
func StepAt(t time.Time) int64 { return t.Unix() / int64(Step/time.Second) }

// Code is what the app shows in a step (RFC 4226 section 5.3).
func (s Secret) Code(step int64) string {
	return fmt.Sprintf("%0*d", Digits, hotp(s.raw.Reveal(), uint64(step))%modulus)
}

func hotp(key []byte, counter uint64) uint32 {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, counter) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
}

// Verify returns the step that a code is of: the present one, or one beside it. Whether that
// step was used before is for the store to say. All of them are looked at, whichever fits.
func (s Secret) Verify(code string, now time.Time) (step int64, ok bool) {
	if len(code) != Digits {
		return 0, false
	}
	present := StepAt(now)
	for at := present - drift; at <= present+drift; at++ {
		if subtle.ConstantTimeCompare([]byte(s.Code(at)), []byte(code)) == 1 {
			step, ok = at, true
		}
	}
	return step, ok
}

// Typed is a code without what people put between its characters.
func Typed(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t', '\u00a0', '\u2009', '\u202f':
			return -1
		}
		return r
	}, text)
}

// Groups are the secret in base32, four letters at a time, for people who type it.
func (s Secret) Groups() string {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s.raw.Reveal())
	return strings.Join(groups(text), " ")
}

// URI is what the QR code says to the app: whose code, at which issuer. The app shows both.
func (s Secret) URI(issuer, account string) string {
	query := []string{
		"secret=" + strings.ReplaceAll(s.Groups(), " ", ""), "issuer=" + url.PathEscape(issuer),
		"algorithm=SHA1", fmt.Sprintf("digits=%d", Digits), fmt.Sprintf("period=%d", Step/time.Second),
	}
	// Apps read %20 and not +, and a colon between the two that is written as it is.
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(account) + "?" + strings.Join(query, "&")
}

func groups(text string) (all []string) {
	for len(text) > 4 {
		all, text = append(all, text[:4]), text[4:]
	}
	return append(all, text)
}
