// Package keyringtest makes keyrings for tests. All secrets are new but the signing keys, which
// are the same for the whole process: to make an RSA key takes longer than most tests.
package keyringtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// first is a keyring as it is written.
var first = sync.OnceValues(func() (map[string]any, error) {
	k, err := keyring.New(rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := k.Marshal()
	if err != nil {
		return nil, err
	}
	var written map[string]any
	err = json.Unmarshal(raw, &written)
	return written, err
})

// New returns a keyring of a new installation.
func New() (*keyring.Keyring, error) {
	written, err := first()
	if err != nil {
		return nil, fmt.Errorf("make the first keyring: %w", err)
	}
	raw, err := json.Marshal(map[string]any{
		"installation": uuid.NewString(),
		"root":         secret(),
		"tokenKeys":    [][]byte{secret()},
		"rs256Keys":    written["rs256Keys"],
		"es256Keys":    written["es256Keys"],
	})
	if err != nil {
		return nil, err
	}
	return keyring.Parse(raw)
}

func secret() []byte {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return raw
}
