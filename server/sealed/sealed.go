// Package sealed writes values that others carry for us and can neither read nor change:
// whoever hands one back hands back what we made, for the purpose that we made it for.
package sealed

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Box seals under one key. It is safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// NewBox returns a Box for a key of 32 bytes.
func NewBox(key model.Sensitive) (*Box, error) {
	// The nonce of XChaCha20 is long enough to be random under a key that never changes.
	aead, err := chacha20poly1305.NewX(key.Reveal())
	if err != nil {
		return nil, fmt.Errorf("make box: %w", err)
	}
	return &Box{aead}, nil
}

// Seal returns the value as text that is safe in forms and URLs.
func (b *Box) Seal(purpose string, value any) (string, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	nonce := make([]byte, b.aead.NonceSize(), b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b.aead.Seal(nonce, nonce, plain, []byte(purpose))), nil
}

// Open reads what Seal made for the purpose into value, and reports whether it did.
func (b *Box) Open(purpose, text string, value any) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < b.aead.NonceSize() || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return false
	}
	nonce, box := raw[:b.aead.NonceSize()], raw[b.aead.NonceSize():]
	plain, err := b.aead.Open(nil, nonce, box, []byte(purpose))
	return err == nil && json.Unmarshal(plain, value) == nil
}
