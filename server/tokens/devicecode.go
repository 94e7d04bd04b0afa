package tokens

import (
	"crypto/rand"
	"encoding/base64"
)

// NewDeviceCode returns a device_code of 256 random bits.
func NewDeviceCode() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// HashDeviceCode is how the store knows a device_code: it redeems nothing.
func (m *Minter) HashDeviceCode(code string) []byte {
	sum := m.lookup.Digest([]byte("device_code " + code))
	return sum[:]
}
