package tokens

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// The kinds of JWT that we sign. The header says which (RFC 8725 section 3.11), so that
// none is taken for another.
const (
	typeID     = "JWT"
	typeAccess = "at+jwt"     // RFC 9068 section 2.1
	typeLogout = "logout+jwt" // OpenID Connect Back-Channel Logout section 2.4
)

// signingKey is a key with the headers of what it signs.
type signingKey struct {
	keyring.SigningKey
	headers map[string]string // by kind, encoded, with the dot
	ends    time.Time         // nothing that the key has signed lives then; zero: it signs
}

// header is a header of ours: what it says, a reader need not parse.
type header struct {
	key  *signingKey
	kind string
}

// signingKeys is all keys of one algorithm. It is never changed after it was made.
type signingKeys struct {
	line keyring.Line[keyring.SigningKey]
	keys []*signingKey // of the keys in line
}

// useSigning adds the keys of an algorithm that sign kinds of JWT.
func (s *keySet) useSigning(alg string, line keyring.Line[keyring.SigningKey], kinds ...string) {
	all := &signingKeys{line: line}
	for _, k := range line {
		key := &signingKey{SigningKey: k, headers: map[string]string{}}
		if !k.Until.IsZero() {
			key.ends = k.Until.Add(keyring.LongestAccess)
		}
		for _, kind := range kinds {
			text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + k.Alg + `","kid":"` + k.KID + `","typ":"` + kind + `"}`))
			key.headers[kind] = text + "."
			s.headers[text] = header{key, kind}
		}
		all.keys = append(all.keys, key)
	}
	s.signing[alg] = all
	s.published = append(s.published, all.keys...)
}

// signJWT signs claims as a JWT of a kind, with the key that signs at a time (RFC 7515
// section 7.1).
func (m *Minter) signJWT(alg, kind string, at time.Time, claims []byte) (string, error) {
	all := m.keys.Load().signing[alg]
	if all == nil || len(all.keys) == 0 {
		return "", fmt.Errorf("sign %s: no key for algorithm %q", kind, alg)
	}
	key := all.keys[all.line.Current(at)]
	head := key.headers[kind]
	if head == "" {
		return "", fmt.Errorf("sign %s: no key of algorithm %q signs that", kind, alg)
	}
	b := make([]byte, 0, len(head)+base64.RawURLEncoding.EncodedLen(len(claims))+1+base64.RawURLEncoding.EncodedLen(rsaSize))
	b = base64.RawURLEncoding.AppendEncode(append(b, head...), claims)
	var room [rsaSize]byte
	signature, err := key.sign(room[:0], b)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", kind, err)
	}
	return string(base64.RawURLEncoding.AppendEncode(append(b, '.'), signature)), nil
}

const (
	rsaSize   = 256 // bytes of a signature under 2048 bits
	p256Size  = 32  // bytes of one number of P-256
	ecdsaSize = 2 * p256Size
)

// sign appends the signature of input (RFC 7518 sections 3.3 and 3.4).
func (k *signingKey) sign(to, input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	raw, err := k.Private.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if k.Alg == keyring.RS256 {
		return append(to, raw...), nil
	}
	return appendFixed(to, raw)
}

// appendFixed appends the two numbers of an ASN.1 signature, each in 32 bytes.
func appendFixed(to, der []byte) ([]byte, error) {
	var inner cryptobyte.String
	var r, s []byte
	outer := cryptobyte.String(der)
	if !outer.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) ||
		!inner.Empty() || !outer.Empty() || len(r) > p256Size || len(s) > p256Size {
		return nil, errors.New("a signature is not one of P-256")
	}
	var zeros [p256Size]byte
	to = append(append(to, zeros[len(r):]...), r...)
	return append(append(to, zeros[len(s):]...), s...), nil
}

// verify reports whether the key has signed input, by the key's own algorithm whatever
// anybody says (RFC 8725 section 3.1).
func (k *signingKey) verify(input, signature []byte) bool {
	digest := sha256.Sum256(input)
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if len(signature) != ecdsaSize {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:p256Size]), new(big.Int).SetBytes(signature[p256Size:])
		return ecdsa.Verify(public, digest[:], r, s)
	}
	return false
}

// strict64 reads each value in one text only, but for line breaks: openJWT refuses those.
var strict64 = base64.RawURLEncoding.Strict()

// openJWT checks the signature of a JWT and that it is of a kind, then returns its claims.
//
// Its header must be, byte for byte, one that we write: so there is no other algorithm and
// no "none", no key or address of one in it (jku, x5u, jwk, x5c), nothing critical that we
// do not understand (RFC 7515 section 4.1.11), and no name twice.
func (m *Minter) openJWT(kind, text string) (c claims, ok bool) {
	if len(text) > textLimit || strings.ContainsAny(text, "\r\n") {
		return claims{}, false
	}
	head, rest, _ := strings.Cut(text, ".")
	payload, mark, ok := strings.Cut(rest, ".")
	if !ok {
		return claims{}, false
	}
	known, ok := m.keys.Load().headers[head]
	if !ok || known.kind != kind {
		return claims{}, false
	}
	signature, err := strict64.DecodeString(mark)
	if err != nil || !known.key.verify([]byte(text[:len(head)+1+len(payload)]), signature) {
		return claims{}, false
	}
	raw, err := strict64.DecodeString(payload)
	if err != nil {
		return claims{}, false
	}
	c, ok = parseClaims(raw)
	// A key that leaks long after it retired signs nothing that lives.
	late := !known.key.ends.IsZero() && c.expires.After(known.key.ends)
	return c, ok && !late && c.issuer == m.issuer
}
