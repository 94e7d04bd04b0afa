package keyring

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Key authenticates opaque tokens.
type Key struct {
	ID     [4]byte         // the first bytes of SHA-256 over HKDF(key, "kid")
	Secret model.Sensitive // what only this installation knows
	Span
}

func (k Key) span() Span   { return k.Span }
func (k Key) name() string { return fmt.Sprintf("%x", k.ID) }

func (k Key) until(t time.Time) Key {
	k.Until = t
	return k
}

func tokenKey(secret []byte, since time.Time) Key {
	sum := sha256.Sum256(derive(secret, "kid"))
	return Key{ID: [4]byte(sum[:4]), Secret: model.NewSensitive(secret), Span: Span{Since: since}}
}

func parseTokenKey(secret []byte, since time.Time) (Key, error) {
	if len(secret) != keySize {
		return Key{}, errors.New("keyring has a key of the wrong size; restore it from a backup")
	}
	return tokenKey(secret, since), nil
}

func newSecret(random io.Reader) ([]byte, error) {
	secret := make([]byte, keySize)
	if _, err := io.ReadFull(random, secret); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return secret, nil
}

// maker makes keys. RSA keys cost a good part of a second, which nothing pays that only
// reads keys.
type maker struct {
	random io.Reader
	rsa    func(random io.Reader) (*rsa.PrivateKey, error)
}

// keys makes one key for each use, that signs since then.
func (m maker) keys(since time.Time) (*Keyring, error) {
	secret, err := newSecret(m.random)
	if err != nil {
		return nil, err
	}
	k := &Keyring{tokens: Line[Key]{tokenKey(secret, since)}}
	return k, m.sign(k, since)
}

// sign gives k signing keys of either algorithm, if it has none.
func (m maker) sign(k *Keyring, since time.Time) error {
	if len(k.rs256) == 0 {
		private, err := m.rsa(m.random)
		if err != nil {
			return fmt.Errorf("make %s key: %w", RS256, err)
		}
		key, err := makeSigningKey(private, since)
		if err != nil {
			return err
		}
		k.rs256 = Line[SigningKey]{key}
	}
	if len(k.es256) == 0 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), m.random)
		if err != nil {
			return fmt.Errorf("make %s key: %w", ES256, err)
		}
		key, err := makeSigningKey(private, since)
		if err != nil {
			return err
		}
		k.es256 = Line[SigningKey]{key}
	}
	return nil
}

// Whole reports whether there is a key for each use. A keyring that was written before
// there were signing keys is not.
func (k *Keyring) Whole() bool { return len(k.rs256) > 0 && len(k.es256) > 0 }

// Completed returns k with a key for each use: k itself if it has them.
func (k *Keyring) Completed(random io.Reader) (*Keyring, error) {
	return k.completed(maker{random, makeRSA})
}

// completed returns a complete keyring. What it adds signs at once, as from the beginning:
// nobody can know other keys of that use.
func (k *Keyring) completed(m maker) (*Keyring, error) {
	if k.Whole() {
		return k, nil
	}
	whole := k.with(k.tokens, k.rs256, k.es256)
	if err := m.sign(whole, time.Time{}); err != nil {
		return nil, err
	}
	return whole, nil
}
