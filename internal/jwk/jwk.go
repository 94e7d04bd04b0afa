// Package jwk reads the public keys that others publish as JWK sets (RFC 7517). It takes
// no private keys, no shared ones, and none that is too weak to verify anything; it fetches
// nothing and follows no address in a set.
//
// Start reading at Parse.
package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	strict "github.com/go-jose/go-jose/v4/json" // tells case, and takes no name twice
)

// Key is a public key with the algorithms that it verifies. A signature is checked by one of
// these, whatever its header says (RFC 8725 section 3.1).
type Key struct {
	ID         string // kid; may be empty where it is the only key
	Thumbprint string // RFC 7638
	Algorithms []string
	Public     crypto.PublicKey
}

// Verifies reports whether the key verifies signatures of the algorithm.
func (k Key) Verifies(algorithm string) bool { return slices.Contains(k.Algorithms, algorithm) }

// Algorithms are those of all keys that are read, as metadata names them: neither "none" nor
// one with a shared key is among them.
var Algorithms = []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"}

// Bounds of a set and of its keys.
const (
	MostKeys  = 10
	rsaLeast  = 2048
	rsaMost   = 4096
	rsaPublic = 65537 // smaller exponents are broken by faults of others (NIST SP 800-131A)
	idLength  = 256
)

// Problem is what is wrong with a set: where, as a path below the set, and how to cure it.
// It shows nothing of the keys.
type Problem struct{ Path, Message string }

// private are the members that only private and shared keys have (RFC 7518 section 6).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// read are the members that make a public key; certificates and addresses of some are left
// aside, as everything that is not understood (RFC 7517 section 4).
var read = []string{"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"}

// Parse reads a JWK set: the keys in which nothing is wrong, and what is wrong with the
// others or with the set.
func Parse(set []byte) (keys []Key, problems []Problem) { return ParseUpTo(set, MostKeys) }

// ParseUpTo is Parse with another bound: providers of whole clouds publish more keys than an
// application has.
func ParseUpTo(set []byte, most int) (keys []Key, problems []Problem) {
	var document struct {
		Keys []members `json:"keys"`
	}
	if strict.Unmarshal(set, &document) != nil {
		return nil, []Problem{{"", `is no JWK set; write {"keys": [...]} with public keys, each name once`}}
	}
	if n := len(document.Keys); n == 0 || n > most {
		return nil, []Problem{{"keys", fmt.Sprintf("must list 1 to %d keys", most)}}
	}
	known := map[string]bool{}
	for i, m := range document.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		key, problem := parseKey(m)
		switch {
		case problem != nil:
		case key.ID == "" && len(document.Keys) > 1:
			problem = &Problem{".kid", "is missing; with several keys each needs one of its own"}
		case known[key.ID]:
			problem = &Problem{".kid", "is that of another key too; give each its own"}
		}
		if problem != nil {
			problems = append(problems, Problem{at + problem.Path, problem.Message})
			continue
		}
		known[key.ID] = true
		keys = append(keys, key)
	}
	return keys, problems
}

// members are those of a JWK, as they are written.
type members map[string]strict.RawMessage

func parseKey(m members) (Key, *Problem) {
	for _, name := range private {
		if _, there := m[name]; there {
			return Key{}, &Problem{"." + name, "belongs to a private or shared key, which everybody who read it here has now; make a new key pair and write only its public key"}
		}
	}
	public := map[string]json.RawMessage{}
	for _, name := range read {
		if value, there := m[name]; there {
			public[name] = json.RawMessage(value)
		}
	}
	if problem := forSignatures(m); problem != nil {
		return Key{}, problem
	}
	raw, err := json.Marshal(public)
	if err != nil {
		return Key{}, &Problem{"", "is no JWK"}
	}
	var k jose.JSONWebKey
	if k.UnmarshalJSON(raw) != nil || !k.Valid() {
		return Key{}, &Problem{"", "is no public key of type RSA, EC (P-256, P-384, P-521) or OKP (Ed25519); write it as RFC 7518 section 6 and RFC 8037 say"}
	}
	if len(k.KeyID) > idLength {
		return Key{}, &Problem{".kid", fmt.Sprintf("must have at most %d bytes", idLength)}
	}
	return withAlgorithms(k)
}

// forSignatures: a key that says what it is for must be for signatures (RFC 7517 sections
// 4.2 and 4.3).
func forSignatures(m members) *Problem {
	var use string
	if raw, there := m["use"]; there && (strict.Unmarshal(raw, &use) != nil || use != "sig") {
		return &Problem{".use", "must be sig, or left out"}
	}
	var operations []string
	if raw, there := m["key_ops"]; there && (strict.Unmarshal(raw, &operations) != nil || !slices.Contains(operations, "verify")) {
		return &Problem{".key_ops", "must have verify in it, or be left out"}
	}
	return nil
}

// withAlgorithms is the key with what it verifies: by its kind, and of that only what it
// names itself.
func withAlgorithms(k jose.JSONWebKey) (Key, *Problem) {
	key := Key{ID: k.KeyID, Public: k.Key}
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < rsaLeast || bits > rsaMost {
			return Key{}, &Problem{".n", fmt.Sprintf("has %d bits; use an RSA key of %d to %d", bits, rsaLeast, rsaMost)}
		}
		if public.E < rsaPublic || public.E%2 == 0 {
			return Key{}, &Problem{".e", fmt.Sprintf("must be %d or a larger odd number; make a new key", rsaPublic)}
		}
		key.Algorithms = []string{"RS256", "PS256"}
	case *ecdsa.PublicKey:
		key.Algorithms = []string{map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[public.Curve]}
	case ed25519.PublicKey:
		key.Algorithms = []string{"EdDSA"}
	default:
		return Key{}, &Problem{".kty", "must be RSA, EC or OKP"}
	}
	if k.Algorithm != "" {
		if !key.Verifies(k.Algorithm) {
			return Key{}, &Problem{".alg", fmt.Sprintf("is none that this key verifies; use one of %v, or leave it out", key.Algorithms)}
		}
		key.Algorithms = []string{k.Algorithm}
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, &Problem{"", "has no thumbprint (RFC 7638)"}
	}
	key.Thumbprint = base64.RawURLEncoding.EncodeToString(sum)
	return key, nil
}
