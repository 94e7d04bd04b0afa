// Package keyring holds the installation's keys and their life cycle as plain values:
// time and randomness are passed in, and it never prints a key.
//
// The root key does not rotate; labels derive from it the keys for digests and look-ups
// (RFC 5869), so that keyed hashes in the store outlive the rotation of token keys. Those
// go from next over current to retired (lifecycle.go). file.go reads, changes and follows
// keyring.json.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const keySize = 32

// Keyring is a set of keys. It is never changed after it was made.
type Keyring struct {
	Installation string // random UUID, made once
	root         []byte
	tokens       Line // authenticate opaque tokens
}

type file struct {
	Installation string    `json:"installation"`
	Root         []byte    `json:"root"`
	TokenKeys    []fileKey `json:"tokenKeys"` // the oldest first
}

type fileKey struct {
	Key   []byte    `json:"key"`
	Since time.Time `json:"since,omitzero"`
}

// UnmarshalJSON also reads a bare key: before keys could rotate the only one was written so.
func (k *fileKey) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &k.Key)
	}
	type plain fileKey
	return json.Unmarshal(data, (*plain)(k))
}

// New makes a keyring from random.
func New(random io.Reader) (*Keyring, error) {
	id, err := uuid.NewRandomFromReader(random)
	if err != nil {
		return nil, fmt.Errorf("make installation id: %w", err)
	}
	root, err := newSecret(random)
	if err != nil {
		return nil, err
	}
	first, err := newTokenKey(random, time.Time{})
	if err != nil {
		return nil, err
	}
	return &Keyring{Installation: id.String(), root: root, tokens: Line{first}}, nil
}

func newSecret(random io.Reader) ([]byte, error) {
	secret := make([]byte, keySize)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return secret, nil
}

func newTokenKey(random io.Reader, since time.Time) (Key, error) {
	secret, err := newSecret(random)
	if err != nil {
		return Key{}, err
	}
	return tokenKey(secret, since), nil
}

func tokenKey(secret []byte, since time.Time) Key {
	sum := sha256.Sum256(derive(secret, "kid"))
	return Key{ID: [4]byte(sum[:4]), Secret: model.NewSensitive(secret), Since: since}
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
		f.TokenKeys = append(f.TokenKeys, fileKey{t.Secret.Reveal(), t.Since})
	}
	return json.MarshalIndent(f, "", "  ")
}

func (f file) keyring() (*Keyring, error) {
	if _, err := uuid.Parse(f.Installation); err != nil || len(f.Root) != keySize || len(f.TokenKeys) == 0 {
		return nil, errors.New("keyring is incomplete; restore it from a backup")
	}
	k := &Keyring{Installation: f.Installation, root: f.Root}
	for i, t := range f.TokenKeys {
		if len(t.Key) != keySize {
			return nil, errors.New("keyring has a key of the wrong size; restore it from a backup")
		}
		if i > 0 {
			if !t.Since.After(f.TokenKeys[i-1].Since) {
				return nil, errors.New("keyring has keys out of order; restore it from a backup")
			}
			k.tokens[i-1].Until = t.Since
		}
		k.tokens = append(k.tokens, tokenKey(t.Key, t.Since))
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

// TokenKeys returns the keys of opaque tokens; all of them verify.
func (k *Keyring) TokenKeys() Line { return k.tokens }

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
