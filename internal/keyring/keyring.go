// Package keyring holds the installation's keys and their life cycle as plain values:
// time and randomness are passed in, and it never prints a key.
//
// The root key does not rotate; labels derive from it the keys for digests and look-ups
// (RFC 5869), so that keyed hashes in the store outlive the rotation of the others. Those,
// token keys (key.go) and signing keys (signing.go), go from next over current to retired
// (lifecycle.go). file.go reads, changes and follows keyring.json; in a
// cluster that is a copy, and controllers does the same with a Secret.
package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
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

// MaxBytes bounds what Parse reads and Marshal writes. It has room for two thousand
// rotations within a year.
const MaxBytes = 256 << 10

// Keyring is a set of keys. It is never changed after it was made.
type Keyring struct {
	Installation string // random UUID, made once
	root         []byte
	tokens       Line[Key] // authenticate opaque tokens
	rs256, es256 Line[SigningKey]
}

type file struct {
	Installation string    `json:"installation"`
	Root         []byte    `json:"root"`
	TokenKeys    []fileKey `json:"tokenKeys"`           // of each use the oldest first
	RS256Keys    []fileKey `json:"rs256Keys,omitempty"` // PKCS #8
	ES256Keys    []fileKey `json:"es256Keys,omitempty"` // PKCS #8
	CopyOf       string    `json:"copyOf,omitempty"`    // where these keys live, if not here
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
func New(random io.Reader) (*Keyring, error) { return newKeyring(maker{random, makeRSA}) }

func newKeyring(m maker) (*Keyring, error) {
	id, err := uuid.NewRandomFromReader(m.random)
	if err != nil {
		return nil, fmt.Errorf("make installation id: %w", err)
	}
	root, err := newSecret(m.random)
	if err != nil {
		return nil, err
	}
	k := &Keyring{Installation: id.String(), root: root}
	fresh, err := m.keys(time.Time{})
	if err != nil {
		return nil, err
	}
	return k.with(fresh.tokens, fresh.rs256, fresh.es256), nil
}

// Parse reads what Marshal wrote. Its errors never contain a key.
func Parse(data []byte) (*Keyring, error) {
	k, _, err := parse(data)
	return k, err
}

func parse(data []byte) (k *Keyring, copyOf string, err error) {
	if len(data) > MaxBytes {
		return nil, "", fmt.Errorf("keyring is longer than %d bytes; restore it from a backup", MaxBytes)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, "", errors.New("keyring is not valid JSON; restore it from a backup")
	}
	k, err = f.keyring()
	return k, f.CopyOf, err
}

// Marshal returns the keyring as JSON, keys included: write it with mode 0600.
func (k *Keyring) Marshal() ([]byte, error) { return k.marshal("") }

func (k *Keyring) marshal(copyOf string) ([]byte, error) {
	f := file{Installation: k.Installation, Root: k.root, CopyOf: copyOf}
	for _, t := range k.tokens {
		f.TokenKeys = append(f.TokenKeys, fileKey{t.Secret.Reveal(), t.Since})
	}
	for _, t := range k.rs256 {
		f.RS256Keys = append(f.RS256Keys, fileKey{t.pkcs8.Reveal(), t.Since})
	}
	for _, t := range k.es256 {
		f.ES256Keys = append(f.ES256Keys, fileKey{t.pkcs8.Reveal(), t.Since})
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err == nil && len(data) > MaxBytes {
		return nil, fmt.Errorf("the keyring would be longer than %d bytes: retired keys are kept for a year; rotate less often", MaxBytes)
	}
	return data, err
}

// Same reports whether other is a state of the same keyring: of the same installation and
// under the same root key.
func (k *Keyring) Same(other *Keyring) bool {
	return k.Installation == other.Installation && subtle.ConstantTimeCompare(k.root, other.root) == 1
}

func (f file) keyring() (*Keyring, error) {
	if _, err := uuid.Parse(f.Installation); err != nil || len(f.Root) != keySize || len(f.TokenKeys) == 0 {
		return nil, errors.New("keyring is incomplete; restore it from a backup")
	}
	k := &Keyring{Installation: f.Installation, root: f.Root}
	var err error
	if k.tokens, err = parseLine(f.TokenKeys, parseTokenKey); err != nil {
		return nil, err
	}
	if k.rs256, err = parseLine(f.RS256Keys, func(raw []byte, since time.Time) (SigningKey, error) {
		return parseSigningKey(RS256, raw, since)
	}); err != nil {
		return nil, err
	}
	k.es256, err = parseLine(f.ES256Keys, func(raw []byte, since time.Time) (SigningKey, error) {
		return parseSigningKey(ES256, raw, since)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

func parseLine[K living[K]](keys []fileKey, parse func([]byte, time.Time) (K, error)) (line Line[K], err error) {
	for i, f := range keys {
		key, err := parse(f.Key, f.Since)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if !f.Since.After(keys[i-1].Since) {
				return nil, errors.New("keyring has keys out of order; restore it from a backup")
			}
			line[i-1] = line[i-1].until(f.Since)
		}
		line = append(line, key)
	}
	return line, nil
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
func (k *Keyring) TokenKeys() Line[Key] { return k.tokens }

// SigningKeys returns the keys of an algorithm, RS256 or ES256; all of them verify.
func (k *Keyring) SigningKeys(alg string) Line[SigningKey] {
	switch alg {
	case RS256:
		return k.rs256
	case ES256:
		return k.es256
	}
	return nil
}

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
