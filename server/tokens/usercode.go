package tokens

import (
	"crypto/rand"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// userCodeLetters leaves out vowels, so that no code is a word, and digits, so that none
// is mistaken for a letter (RFC 8628 section 6.1). It has 20 letters: 34.5 bits in 8.
const userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"

const userCodeLength = 8

// UserCode is the code that a person reads from one screen and types on another: eight
// letters, upper case. It is shown as XXXX-XXXX.
type UserCode string

// NewUserCode makes a code from the CSPRNG.
func NewUserCode() UserCode {
	code := make([]byte, 0, userCodeLength)
	for b := make([]byte, 1); len(code) < userCodeLength; {
		_, _ = rand.Read(b)          // never fails
		if n := int(b[0]); n < 240 { // 240 = 12 · 20: every letter is as likely
			code = append(code, userCodeLetters[n%len(userCodeLetters)])
		}
	}
	return UserCode(code)
}

// ParseUserCode reads a code as it was typed: in any case, with dashes and spaces
// wherever (RFC 8628 section 6.1). ok is false for what no code can be.
func ParseUserCode(typed string) (code UserCode, ok bool) {
	letters := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(letters) != userCodeLength || strings.Trim(letters, userCodeLetters) != "" {
		return "", false
	}
	return UserCode(letters), true
}

// String returns the code as it is shown: XXXX-XXXX.
func (c UserCode) String() string {
	if len(c) != userCodeLength {
		return string(c)
	}
	return string(c[:userCodeLength/2] + "-" + c[userCodeLength/2:])
}

// Hash is how the store knows the code.
func (c UserCode) Hash(keys *keyring.Keyring) []byte {
	sum := keys.LookupKey().Digest([]byte("user_code " + string(c)))
	return sum[:]
}
