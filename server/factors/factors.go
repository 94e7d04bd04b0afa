// Package factors is what people prove themselves with besides a password: the codes of an
// authenticator app (TOTP, RFC 6238), and recovery codes for the day when the app is lost.
//
// The secret that an app and we share is kept sealed, for one factor of one person: who
// takes a row of the database to another account, or the database elsewhere, has nothing.
// Recovery codes are random enough to be kept as keyed hashes (ASVS 6.5.2). That a step or a
// code counts once is decided in the store, which all replicas share; nothing is kept here.
// Clocks are passed in. Start reading at totp.go.
package factors

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/sealed"
)

// Vault seals the secrets of factors for the store, and hashes recovery codes. It is safe
// for concurrent use.
type Vault struct {
	box    *sealed.Box
	lookup model.Sensitive
}

// NewVault makes a Vault under keys that do not rotate: what it sealed stays readable.
func NewVault(keys *keyring.Keyring) (*Vault, error) {
	box, err := sealed.NewBox(keys.Derive("factors"))
	if err != nil {
		return nil, err
	}
	return &Vault{box, keys.LookupKey()}, nil
}

// Seal is what the store keeps of the secret of a person's factor.
func (v *Vault) Seal(userID, factorID string, s Secret) ([]byte, error) {
	text, err := v.box.Seal(purpose(userID, factorID), s.raw.Reveal())
	if err != nil {
		return nil, fmt.Errorf("seal factor: %w", err)
	}
	return []byte(text), nil
}

// Open reads what Seal made for this factor of this person.
func (v *Vault) Open(userID, factorID string, kept []byte) (Secret, error) {
	var raw []byte
	if !v.box.Open(purpose(userID, factorID), string(kept), &raw) || len(raw) != secretSize {
		return Secret{}, errors.New("a factor cannot be read: it was sealed under another keyring, or for another account")
	}
	return Secret{model.NewSensitive(raw)}, nil
}

// NewID makes the ID of a factor.
func NewID() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	return "fac_" + base64.RawURLEncoding.EncodeToString(raw)
}

func purpose(userID, factorID string) string { return "factor " + factorID + " of " + userID }

// Text is the secret as a page under way carries it, which is sealed as a whole.
func (s Secret) Text() string { return base64.RawURLEncoding.EncodeToString(s.raw.Reveal()) }

// ParseSecret reads Text.
func ParseSecret(text string) (Secret, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != secretSize {
		return Secret{}, false
	}
	return Secret{model.NewSensitive(raw)}, true
}
