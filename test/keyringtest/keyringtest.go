// Package keyringtest makes keyrings for tests. All keys are new but the RSA key, which is
// the same for the whole process: to make one takes longer than most tests.
package keyringtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
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
	signing, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(signing)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(map[string]any{
		"installation": uuid.NewString(),
		"root":         secret(),
		"tokenKeys":    [][]byte{secret()},
		"rs256Keys":    written["rs256Keys"],
		"es256Keys":    []map[string]any{{"key": pkcs8}},
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
