package model

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Sensitive holds a secret that no printing, logging or encoding shows. Two of them
// compare by Equal, in constant time. Package fmt calls no method of a value in an
// unexported field, but there it never follows two pointers.
type Sensitive struct{ secret **[]byte }

// NewSensitive keeps a copy of secret.
func NewSensitive[T ~string | ~[]byte](secret T) Sensitive {
	kept := append([]byte(nil), secret...)
	hidden := &kept
	return Sensitive{&hidden}
}

// KeepSensitive keeps secret itself and no copy, where there are thousands: nobody may change
// it any more.
func KeepSensitive(secret []byte) Sensitive {
	hidden := &secret
	return Sensitive{&hidden}
}

// Reveal returns the secret itself; the caller must not keep, change or print it.
func (s Sensitive) Reveal() []byte {
	if s.secret == nil {
		return nil
	}
	return **s.secret
}

// IsZero reports whether there is no secret.
func (s Sensitive) IsZero() bool { return len(s.Reveal()) == 0 }

// Equal compares in constant time.
func (s Sensitive) Equal(other Sensitive) bool { return hmac.Equal(s.Reveal(), other.Reveal()) }

// Digest returns HMAC-SHA-256 of data under the secret.
func (s Sensitive) Digest(data []byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, s.Reveal())
	h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

// String hides the secret.
func (s Sensitive) String() string { return redacted }

// GoString hides the secret from %#v.
func (s Sensitive) GoString() string { return redacted }

// Format hides the secret from every verb.
func (s Sensitive) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue hides the secret from package slog.
func (s Sensitive) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encodings of text.
func (s Sensitive) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the secret from JSON.
func (s Sensitive) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// GobEncode hides the secret from package gob.
func (s Sensitive) GobEncode() ([]byte, error) { return []byte(redacted), nil }
