package tokens

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// IDToken is what an ID token says (OpenID Connect Core section 2). What is empty is left
// out.
type IDToken struct {
	Subject, Audience             string
	IssuedAt, ExpiresAt, AuthTime time.Time // in whole seconds, parts of one cut off
	Nonce, ACR                    string
	SessionID                     string // sid: of the session, for who is told of its end
	AMR                           []string
	AccessToken                   string // that it comes with: at_hash is of it
	OrganizationSlug              string
	OrganizationID                string
	Name, Email                   string
	EmailVerified                 bool     // said whenever there is an Email
	Groups                        []string // nil: no claim; empty: an empty list
}

// MintIDToken returns the text of an ID token, signed by RS256 or ES256 with the key of the
// time at which it is issued. It lives for keyring.LongestAccess at most.
func (m *Minter) MintIDToken(alg string, t *IDToken) (string, error) {
	var room [1024]byte
	b := append(room[:0], '{')
	b = appendClaim(b, "iss", m.issuer)
	b = appendClaim(b, "sub", t.Subject)
	b = appendClaim(b, "aud", t.Audience)
	b = appendSeconds(b, "exp", t.ExpiresAt)
	b = appendSeconds(b, "iat", t.IssuedAt)
	b = appendSeconds(b, "auth_time", t.AuthTime)
	b = appendClaim(b, "nonce", t.Nonce)
	b = appendClaim(b, "acr", t.ACR)
	b = appendClaim(b, "sid", t.SessionID)
	if len(t.AMR) > 0 {
		b = appendList(b, "amr", t.AMR)
	}
	if t.AccessToken != "" {
		b = appendHash(appendName(b, "at_hash"), t.AccessToken)
	}
	b = appendClaim(b, "org", t.OrganizationSlug)
	b = appendClaim(b, "org_id", t.OrganizationID)
	b = appendClaim(b, "name", t.Name)
	if t.Email != "" {
		b = appendClaim(b, "email", t.Email)
		b = strconv.AppendBool(appendName(b, "email_verified"), t.EmailVerified)
	}
	b = appendList(b, "groups", t.Groups)
	return m.signJWT(alg, typeID, t.IssuedAt, append(b, '}'))
}

// appendHash appends at_hash: the left half of the hash of the signature's algorithm, which
// is SHA-256 for both of ours (OpenID Connect Core section 3.1.3.6).
func appendHash(b []byte, accessToken string) []byte {
	sum := sha256.Sum256([]byte(accessToken))
	b = base64.RawURLEncoding.AppendEncode(append(b, '"'), sum[:len(sum)/2])
	return append(b, '"')
}

// Hint is what an ID token of ours, given back to us as id_token_hint, says about a person
// and a client.
type Hint struct {
	Subject, Audience   string
	IssuedAt, ExpiresAt time.Time
}

// ParseIDToken reads an ID token of this issuer; ok is false for any text that MintIDToken
// did not make, and for one whose key is gone. It compares no clock: a hint may have
// expired (OpenID Connect RP-Initiated Logout section 2).
func (m *Minter) ParseIDToken(text string) (h *Hint, ok bool) {
	c, ok := m.openJWT(typeID, text)
	if !ok {
		return nil, false
	}
	return &Hint{Subject: c.subject, Audience: c.audience, IssuedAt: c.issued, ExpiresAt: c.expires}, true
}
