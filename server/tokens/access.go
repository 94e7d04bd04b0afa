package tokens

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Access is what an access token says. It speaks either for a grant or for an application
// itself.
type Access struct {
	GrantID        [16]byte // zero: the token is an application's own
	ApplicationUID string   // only of an application's own token
	OrganizationID string
	Serial         [12]byte // random; names the token when it is revoked
	IssuedAt       time.Time
	ExpiresAt      time.Time
	Scopes         oauth.ScopeSet // granted; what they are worth now is decided at use
	Audience       string
}

// OfGrant reports whether the token speaks for a person's grant.
func (a *Access) OfGrant() bool { return a.ApplicationUID == "" }

const (
	kindGrant       = 1
	kindApplication = 2
)

// NewSerial returns a random serial.
func NewSerial() (serial [12]byte) {
	_, _ = rand.Read(serial[:]) // never fails (crypto/rand)
	return serial
}

// MintAccess returns the text of an opaque access token, under the key of the time at which it is
// issued. Times are kept in milliseconds. It lives for keyring.LongestAccess at most.
func (m *Minter) MintAccess(a *Access) string {
	var room [512]byte
	key := m.signing(a.IssuedAt)
	b := append(room[:0], version)
	b = append(b, key.id[:]...)
	b = appendHolder(b, a)
	b = appendUID(b, a.OrganizationID)
	b = append(b, a.Serial[:]...)
	b = appendMillis(b, a.IssuedAt)
	b = appendMillis(b, a.ExpiresAt)
	b = appendText(b, a.Scopes.String())
	b = appendText(b, a.Audience)
	return m.seal(key, AccessPrefix, b, nil)
}

// ParseAccess reads an access token of this issuer, opaque or a JWT; ok is false for any
// text that neither MintAccess nor MintAccessJWT made. It compares no clock.
func (m *Minter) ParseAccess(text string) (a *Access, ok bool) {
	if !strings.HasPrefix(text, AccessPrefix) {
		return m.parseAccessJWT(text)
	}
	payload, mac, key, ok := m.open(AccessPrefix, text)
	if !ok || !m.authentic(key, AccessPrefix, payload, mac, nil) {
		return nil, false
	}
	r := reader{rest: payload[1+keyIDSize:]}
	a = &Access{}
	r.holder(a)
	a.OrganizationID = r.uid()
	copy(a.Serial[:], r.take(len(a.Serial)))
	a.IssuedAt, a.ExpiresAt = r.millis(), r.millis()
	if scopes := r.text(); scopes != "" {
		a.Scopes = oauth.ScopeSet(strings.Split(scopes, " ")) // sorted when it was minted
	}
	a.Audience = r.text()
	// A key that leaks long after it retired makes no tokens that live.
	late := !key.lastExpiry.IsZero() && a.ExpiresAt.After(key.lastExpiry)
	return a, !late && !r.bad && len(r.rest) == 0
}

// appendHolder appends for whom the token speaks.
func appendHolder(b []byte, a *Access) []byte {
	if a.OfGrant() {
		return append(append(b, kindGrant), a.GrantID[:]...)
	}
	return appendUID(append(b, kindApplication), a.ApplicationUID)
}

// A UID is nearly always a UUID: 0 and 16 bytes. Any other text: its length and its bytes.
func appendUID(b []byte, uid string) []byte {
	if id, err := uuid.Parse(uid); err == nil && id.String() == uid {
		return append(append(b, 0), id[:]...)
	}
	if len(uid) > math.MaxUint8 {
		uid = uid[:math.MaxUint8] // names no object then, and so authorizes nothing
	}
	return append(append(b, byte(len(uid))), uid...)
}

func appendMillis(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli()))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader reads a payload; bad once something was missing.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || len(r.rest) < n {
		r.bad, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) holder(a *Access) {
	switch r.byte() {
	case kindGrant:
		copy(a.GrantID[:], r.take(len(a.GrantID)))
	case kindApplication:
		a.ApplicationUID = r.uid()
		r.bad = r.bad || a.ApplicationUID == ""
	default:
		r.bad = true
	}
}

func (r *reader) uid() string {
	if n := r.byte(); n != 0 {
		return string(r.take(int(n)))
	}
	raw := r.take(16)
	if raw == nil {
		return ""
	}
	return uuid.UUID(raw).String()
}

func (r *reader) millis() time.Time {
	b := r.take(8)
	if b == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC()
}

func (r *reader) text() string {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest)-size) {
		r.bad, r.rest = true, nil
		return ""
	}
	r.take(size)
	return string(r.take(int(n)))
}
