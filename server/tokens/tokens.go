// Package tokens makes and reads the tokens and codes that clients carry. A token is text
// whose bytes nobody else can make: nothing is stored for an access token, and for a
// refresh token only the row of its grant. The package decides nothing: that a token is
// authentic does not mean that it may be used (package decide).
//
// Start reading at access.go; base62.go is the encoding, refresh.go the refresh token,
// devicecode.go and usercode.go the codes of the device flow. What others verify without us
// is a JWT: jws.go signs and opens it, claims.go writes and reads its JSON, idtoken.go and
// accessjwt.go are the two kinds, jwks.go is the public keys.
package tokens

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Prefixes tell secret scanners what they have found.
const (
	AccessPrefix  = "gat_"
	RefreshPrefix = "grt_"
)

const (
	version   = 1
	keyIDSize = 4
	crcSize   = 4
	// textLimit bounds what is decoded at all.
	textLimit = 32 << 10
)

// Minter makes tokens with the current key of a keyring and reads those of all its keys.
// It is safe for concurrent use.
type Minter struct {
	issuer string
	keys   atomic.Pointer[keySet]
	lookup model.Sensitive // hashes the codes that the store knows
}

// keySet is never changed after it was made.
type keySet struct {
	line keyring.Line[keyring.Key]
	macs []*macKey // of the keys in line
	byID map[[keyIDSize]byte]*macKey

	signing   map[string]*signingKeys // by algorithm
	published []*signingKey           // all of them
	headers   map[string]header       // of the JWTs that they sign, encoded
	jwks      keySetDocument
}

// macKey keeps keyed HMAC states, which are dearer to make than to reset.
type macKey struct {
	id         [keyIDSize]byte
	lastExpiry time.Time // of the access tokens that it has signed; zero: it signs
	states     sync.Pool
}

// NewMinter returns a Minter for the tokens of an issuer.
func NewMinter(issuer string, keys *keyring.Keyring) *Minter {
	m := &Minter{issuer: issuer, lookup: keys.LookupKey()}
	m.Use(keys)
	return m
}

// Use takes the keys from another state of the same keyring. What was minted
// under a key that is not in it is dead.
func (m *Minter) Use(keys *keyring.Keyring) {
	set := &keySet{
		line: keys.TokenKeys(), byID: map[[keyIDSize]byte]*macKey{},
		signing: map[string]*signingKeys{}, headers: map[string]header{},
	}
	for _, k := range set.line {
		mac := &macKey{id: k.ID}
		mac.states.New = func() any { return hmac.New(sha256.New, k.Secret.Reveal()) }
		if !k.Until.IsZero() {
			mac.lastExpiry = k.Until.Add(keyring.LongestAccess)
		}
		set.macs = append(set.macs, mac)
		set.byID[k.ID] = mac
	}
	set.useSigning(keyring.RS256, keys.SigningKeys(keyring.RS256), typeID, typeLogout)
	set.useSigning(keyring.ES256, keys.SigningKeys(keyring.ES256), typeID, typeAccess, typeLogout)
	set.jwks = documentOf(set.published, time.Time{})
	m.keys.Store(set)
}

// signing is the key that signs at a time.
func (m *Minter) signing(at time.Time) *macKey {
	set := m.keys.Load()
	return set.macs[set.line.Current(at)]
}

// appendMAC appends HMAC-SHA-256, in full, over prefix, issuer, payload and seed. The zero
// byte ends the issuer, which has none; the payload knows its own length.
func (k *macKey) appendMAC(to []byte, prefix, issuer string, payload, seed []byte) []byte {
	h, _ := k.states.Get().(hash.Hash)
	defer k.states.Put(h)
	h.Reset()
	var head [128]byte
	h.Write(append(append(append(head[:0], prefix...), issuer...), 0))
	h.Write(payload)
	h.Write(seed)
	return h.Sum(to)
}

// seal appends MAC and checksum to the payload and encodes the whole.
func (m *Minter) seal(k *macKey, prefix string, payload, seed []byte) string {
	raw := k.appendMAC(payload, prefix, m.issuer, payload, seed)
	raw = binary.BigEndian.AppendUint32(raw, checksum(prefix, raw))
	return string(appendBase62(append(make([]byte, 0, len(prefix)+encodedLen(len(raw))), prefix...), raw))
}

// open decodes a text and checks all but the MAC: the checksum, which scanners check too,
// the version, and that the key is known.
func (m *Minter) open(prefix, text string) (payload, mac []byte, key *macKey, ok bool) {
	body, ok := strings.CutPrefix(text, prefix)
	if !ok || len(text) > textLimit {
		return nil, nil, nil, false
	}
	raw, ok := decodeBase62(body)
	if !ok || len(raw) < 1+keyIDSize+sha256.Size+crcSize {
		return nil, nil, nil, false
	}
	end := len(raw) - crcSize
	if binary.BigEndian.Uint32(raw[end:]) != checksum(prefix, raw[:end]) || raw[0] != version {
		return nil, nil, nil, false
	}
	payload, mac = raw[:end-sha256.Size], raw[end-sha256.Size:end]
	key = m.keys.Load().byID[[keyIDSize]byte(payload[1:])]
	return payload, mac, key, key != nil
}

func (m *Minter) authentic(key *macKey, prefix string, payload, mac, seed []byte) bool {
	var want [sha256.Size]byte
	return hmac.Equal(mac, key.appendMAC(want[:0], prefix, m.issuer, payload, seed))
}

func checksum(prefix string, raw []byte) uint32 {
	var head [8]byte
	return crc32.Update(crc32.ChecksumIEEE(append(head[:0], prefix...)), crc32.IEEETable, raw)
}
