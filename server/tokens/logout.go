package tokens

import "time"

// Logout is what a logout token says (OpenID Connect Back-Channel Logout section 2.4): to
// this audience, that the session of this person has ended.
type Logout struct {
	Subject, Audience, SessionID string
	ID                           string // jti
	IssuedAt, ExpiresAt          time.Time
}

// MintLogout returns the text of a logout token. It has no nonce, so that nobody takes it
// for an ID token, and a type of its own.
func (m *Minter) MintLogout(alg string, t *Logout) (string, error) {
	var room [512]byte
	b := append(room[:0], '{')
	b = appendClaim(b, "iss", m.issuer)
	b = appendClaim(b, "sub", t.Subject)
	b = appendClaim(b, "aud", t.Audience)
	b = appendSeconds(b, "exp", t.ExpiresAt)
	b = appendSeconds(b, "iat", t.IssuedAt)
	b = appendClaim(b, "jti", t.ID)
	b = appendClaim(b, "sid", t.SessionID)
	b = append(appendName(b, "events"), `{"http://schemas.openid.net/event/backchannel-logout":{}}`...)
	return m.signJWT(alg, typeLogout, t.IssuedAt, append(b, '}'))
}
