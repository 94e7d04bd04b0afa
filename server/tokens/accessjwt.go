package tokens

import (
	"encoding/base64"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// jtiVersion begins the bytes of a jti.
const jtiVersion = 1

// MintAccessJWT returns an access token that its reader can verify without us (RFC 9068
// section 2.2), signed by ES256 with the key of the time at which it is issued. It ends with
// the last whole second before a.ExpiresAt. Its jti holds what the claims do not say: whose
// token it is, the serial, and the millisecond at which it was issued.
func (m *Minter) MintAccessJWT(a *Access, subject, clientID, organizationSlug string) (string, error) {
	var room [1024]byte
	b := append(room[:0], '{')
	b = appendClaim(b, "iss", m.issuer)
	b = appendClaim(b, "sub", subject)
	b = appendClaim(b, "aud", a.Audience)
	b = appendSeconds(b, "exp", a.ExpiresAt)
	b = appendSeconds(b, "iat", a.IssuedAt)
	b = append(appendJTI(append(appendName(b, "jti"), '"'), a), '"')
	b = appendClaim(b, "client_id", clientID)
	b = appendClaim(b, "scope", a.Scopes.String())
	b = appendClaim(b, "org", organizationSlug)
	b = appendClaim(b, "org_id", a.OrganizationID)
	return m.signJWT(keyring.ES256, typeAccess, a.IssuedAt, append(b, '}'))
}

func appendJTI(b []byte, a *Access) []byte {
	var room [320]byte
	raw := appendHolder(append(room[:0], jtiVersion), a)
	raw = append(raw, a.Serial[:]...)
	return base64.RawURLEncoding.AppendEncode(b, appendMillis(raw, a.IssuedAt))
}

// parseAccessJWT reads what MintAccessJWT made.
func (m *Minter) parseAccessJWT(text string) (a *Access, ok bool) {
	c, ok := m.openJWT(typeAccess, text)
	if !ok {
		return nil, false
	}
	raw, err := strict64.DecodeString(c.id)
	if err != nil || strings.ContainsAny(c.id, "\r\n") {
		return nil, false
	}
	r := reader{rest: raw}
	if r.byte() != jtiVersion {
		return nil, false
	}
	a = &Access{OrganizationID: c.organizationID, ExpiresAt: c.expires, Audience: c.audience}
	r.holder(a)
	copy(a.Serial[:], r.take(len(a.Serial)))
	a.IssuedAt = r.millis()
	if c.scope != "" {
		a.Scopes = oauth.ScopeSet(strings.Split(c.scope, " ")) // sorted when it was minted
	}
	return a, !r.bad && len(r.rest) == 0 && a.IssuedAt.Unix() == c.issued.Unix()
}
