package upstream

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
)

// idTokenAlgorithms are those that an ID token may be signed by, whatever a provider says
// that it uses: neither "none" nor one whose key would be a secret that we share, so that
// nobody can sign with a key that is public (RFC 8725 sections 2.1 and 3.1).
var idTokenAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// idToken is an ID token as it came: of its content nothing is read before proven.
type idToken struct {
	signed    *jose.JSONWebSignature
	algorithm string
	kid       string // only looks a key up; may be anything
}

// parseIDToken reads the header. Keys in it, or addresses of keys, are not looked at.
func parseIDToken(raw string) (idToken, error) {
	signed, err := jose.ParseSignedCompact(raw, idTokenAlgorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return idToken{}, refused("the ID token is no JWS by RS256, PS256, ES256 or EdDSA")
	}
	header := signed.Signatures[0].Protected
	if kind, there := header.ExtraHeaders[jose.HeaderType]; there {
		// An access token or a logout token is none (RFC 8725 section 3.11).
		if word, _ := kind.(string); !strings.EqualFold(word, "JWT") && !strings.EqualFold(word, "application/jwt") {
			return idToken{}, refused("the ID token says that it is of another type")
		}
	}
	return idToken{signed, header.Algorithm, header.KeyID}, nil
}

// keyOf finds the key that verifies the token; nil if there is none. Without a key ID it
// must be the only one of its kind (OpenID Connect Core section 10.1).
func (t idToken) keyOf(keys []jwk.Key) *jwk.Key {
	var found *jwk.Key
	for i := range keys {
		if k := &keys[i]; k.Verifies(t.algorithm) && (t.kid == "" || k.ID == t.kid) {
			if found != nil {
				return nil
			}
			found = k
		}
	}
	return found
}

// claims are those of the token, proven by the key.
func (t idToken) claims(key *jwk.Key) (map[string]any, error) {
	payload, err := t.signed.Verify(key.Public)
	if err != nil {
		return nil, refused("the signature of the ID token is not by a key of the provider")
	}
	claims, err := object(payload)
	if err != nil {
		return nil, refused("the ID token has no JSON object inside")
	}
	return claims, nil
}

// expected is what an ID token must say (OpenID Connect Core section 3.1.3.7).
type expected struct {
	now              time.Time
	issuer, clientID string
	nonce            string // empty: not asked for, which is so only where a refresh token was
	access           string // the access token that came along
	algorithm        string
	subject          string        // empty: whoever it is
	since            time.Time     // the person proved it after; zero: whenever
	dated            bool          // with since: that it is not known is an offence, for the provider says it where it is asked
	maxAge           time.Duration // and not longer ago; zero: whenever
}

// check judges the claims of a token whose signature is proven.
func (e expected) check(claims map[string]any) error {
	text := func(name string) string { s, _ := claims[name].(string); return s }
	switch {
	case text("iss") != e.issuer:
		return refused("the ID token is of another issuer")
	case text("sub") == "" || len(text("sub")) > 255:
		return refused("the ID token says no subject of 1 to 255 bytes")
	case e.subject != "" && text("sub") != e.subject:
		return refused("the ID token is of somebody else")
	case e.nonce != "" && subtle.ConstantTimeCompare([]byte(text("nonce")), []byte(e.nonce)) != 1:
		return refused("the nonce of the ID token is missing or that of another sign-in")
	}
	if err := e.checkAudience(claims); err != nil {
		return err
	}
	if err := e.checkTimes(claims); err != nil {
		return err
	}
	if hash, there := claims["at_hash"]; there {
		if word, _ := hash.(string); e.access == "" || subtle.ConstantTimeCompare([]byte(word), []byte(halfHash(e.algorithm, e.access))) != 1 {
			return refused("the ID token is not of the access token that came along")
		}
	}
	return nil
}

func (e expected) checkAudience(claims map[string]any) error {
	audience, ok := list(claims["aud"])
	if !ok || !slices.Contains(audience, e.clientID) {
		return refused("the ID token is for another audience")
	}
	party, there := claims["azp"]
	if there && party != e.clientID {
		return refused("the ID token is for another authorized party")
	}
	if len(audience) > 1 && !there {
		return refused("the ID token has several audiences and does not say whom it is for")
	}
	return nil
}

func (e expected) checkTimes(claims map[string]any) error {
	expires, ok := moment(claims["exp"])
	if !ok || !e.now.Before(expires.Add(leeway)) {
		return refused("the ID token is expired, or does not say when it is")
	}
	issued, ok := moment(claims["iat"])
	if !ok || issued.After(e.now.Add(leeway)) {
		return refused("the ID token is of the future, or does not say of when it is")
	}
	if of, there := claims["nbf"]; there {
		if begins, ok := moment(of); !ok || begins.After(e.now.Add(leeway)) {
			return refused("the ID token does not count yet")
		}
	}
	proved, there := moment(claims["auth_time"])
	switch _, said := claims["auth_time"]; {
	case said && (!there || proved.After(e.now.Add(leeway))):
		return refused("the ID token says a time of the sign-in that cannot be")
	case e.maxAge > 0 && (!there || e.now.Sub(proved) > e.maxAge+leeway):
		return refused("the person proved it there longer ago than was asked for, or the ID token does not say when")
	case !e.since.IsZero() && e.dated && !there:
		// It must where max_age was asked for (OpenID Connect Core section 2), so somebody took
		// that out of the address on the way there.
		return refused("the ID token does not say when the person proved it, which was asked for")
	case !e.since.IsZero() && there && proved.Before(e.since.Add(-leeway)):
		return refused("the person did not prove it there again")
	}
	return nil
}

// halfHash is the left half of the hash of the access token (OpenID Connect Core section
// 3.1.3.6). EdDSA here is Ed25519, whose hash is SHA-512.
func halfHash(algorithm, access string) string {
	if algorithm == string(jose.EdDSA) {
		sum := sha512.Sum512([]byte(access))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
	}
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
