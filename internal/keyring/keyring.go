// Package keyring holds the installation's keys and their life cycle as plain values:
// time and randomness are passed in, and it never prints a key.
//
// The root key does not rotate; labels derive from it the keys for digests and look-ups
// (RFC 5869), so that keyed hashes in the store outlive the rotation of token keys.
// File reads and writes keyring.json.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const keySize = 32

// Keyring is a set of keys. It is never changed after it was made.
type Keyring struct {
	Installation string // random UUID, made once
	root         []byte
	tokens       []TokenKey // the first one signs; all of them verify
}

// TokenKey authenticates opaque tokens.
type TokenKey struct {
	ID  [4]byte // the first bytes of SHA-256 over HKDF(key, "kid")
	Key model.Sensitive
}

type file struct {
	Installation string   `json:"installation"`
	Root         []byte   `json:"root"`
	TokenKeys    [][]byte `json:"tokenKeys"`
}

// New makes a keyring from random.
func New(random io.Reader) (*Keyring, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return nil, fmt.Errorf("make installation id: %w", err)
	}
	f := file{Installation: id.String(), Root: make([]byte, keySize), TokenKeys: [][]byte{make([]byte, keySize)}}
	for _, key := range [][]byte{f.Root, f.TokenKeys[0]} {
		if _, err := io.ReadFull(random, key); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
	}
	return f.keyring()
}

// Parse reads what Marshal wrote. Its errors never contain a key.
func Parse(data []byte) (*Keyring, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, errors.New("keyring is not valid JSON; restore it from a backup")
	}
	return f.keyring()
}

// Marshal returns the keyring as JSON, keys included: write it with mode 0600.
func (k *Keyring) Marshal() ([]byte, error) {
	f := file{Installation: k.Installation, Root: k.root}
	for _, t := range k.tokens {
		f.TokenKeys = append(f.TokenKeys, t.Key.Reveal())
	}
	return json.MarshalIndent(f, "", "  ")
}

func (f file) keyring() (*Keyring, error) {
	if _, err := uuid.Parse(f.Installation); err != nil || len(f.Root) != keySize || len(f.TokenKeys) == 0 {
		return nil, errors.New("keyring is incomplete; restore it from a backup")
	}
	k := &Keyring{Installation: f.Installation, root: f.Root}
	for _, key := range f.TokenKeys {
		if len(key) != keySize {
			return nil, errors.New("keyring has a key of the wrong size; restore it from a backup")
		}
		sum := sha256.Sum256(derive(key, "kid"))
		k.tokens = append(k.tokens, TokenKey{ID: [4]byte(sum[:4]), Key: model.NewSensitive(key)})
	}
	return k, nil
}

// Derive returns the key for a purpose; each purpose has its own key.
func (k *Keyring) Derive(purpose string) model.Sensitive {
	return model.NewSensitive(derive(k.root, purpose))
}

// DigestKey is the key under which client secrets are digested (compile.Input).
func (k *Keyring) DigestKey() model.Sensitive { return k.Derive("digest") }

// LookupKey is the key under which codes and session ids are hashed in the store.
func (k *Keyring) LookupKey() model.Sensitive { return k.Derive("lookup") }

// TokenKeys returns the keys of opaque tokens; the first one signs, all of them verify.
func (k *Keyring) TokenKeys() []TokenKey { return k.tokens }

// Fingerprint identifies the root key without telling it.
func (k *Keyring) Fingerprint() string {
	return hex.EncodeToString(derive(k.root, "fingerprint")[:8])
}

// String tells the keyring from others, and no key.
func (k *Keyring) String() string { return "keyring of installation " + k.Installation }

// GoString is String: %#v shows no key either.
func (k *Keyring) GoString() string { return k.String() }

// MarshalJSON is String too: Marshal is what writes keys.
func (k *Keyring) MarshalJSON() ([]byte, error) { return json.Marshal(k.String()) }

func derive(key []byte, purpose string) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, "gatehouse "+purpose, keySize)
	if err != nil {
		panic(err) // only for a length beyond 255 hashes (RFC 5869 section 2.3)
	}
	return out
}
