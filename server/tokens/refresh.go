package tokens

import (
	"encoding/binary"
	"math"
	"time"
)

// refreshSize: version, key id, grant id, generation.
const refreshSize = 1 + keyIDSize + 16 + 8

// Refresh is a refresh token that was read. It is authentic only if Authentic says so
// with the seed of the grant's row.
type Refresh struct {
	GrantID    [16]byte
	Generation int64

	payload, mac []byte
	key          *macKey
}

// MintRefresh returns the refresh token of a generation of a grant, under the key of the
// time at which it is made: the same text for the same generation, key and seed.
func (m *Minter) MintRefresh(grantID [16]byte, generation int64, seed []byte, at time.Time) string {
	return m.mintRefresh(m.signing(at), grantID, generation, seed)
}

func (m *Minter) mintRefresh(k *macKey, grantID [16]byte, generation int64, seed []byte) string {
	b := make([]byte, 0, 128)
	b = append(append(append(b, version), k.id[:]...), grantID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(generation))
	return m.seal(k, RefreshPrefix, b, seed)
}

// Successor returns the refresh token after r, under the key of r: asked twice across a
// rotation of keys it is still the same text. So a grant keeps the key that it began under.
func (m *Minter) Successor(r *Refresh, seed []byte) string {
	return m.mintRefresh(r.key, r.GrantID, r.Generation+1, seed)
}

// ParseRefresh reads a refresh token; ok is false for what cannot be one.
func (m *Minter) ParseRefresh(text string) (r *Refresh, ok bool) {
	payload, mac, key, ok := m.open(RefreshPrefix, text)
	if !ok || len(payload) != refreshSize {
		return nil, false
	}
	generation := binary.BigEndian.Uint64(payload[refreshSize-8:])
	if generation == 0 || generation >= math.MaxInt64 {
		return nil, false
	}
	r = &Refresh{GrantID: [16]byte(payload[1+keyIDSize:]), payload: payload, mac: mac, key: key}
	r.Generation = int64(generation)
	return r, true
}

// Authentic reports whether we made the token for the grant with this seed.
func (m *Minter) Authentic(r *Refresh, seed []byte) bool {
	return m.authentic(r.key, RefreshPrefix, r.payload, r.mac, seed)
}
