package server

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
)

// inactive is all that is said of a token that may not be used, or not be seen.
var inactive = jsonAnswer{body: json.RawMessage(`{"active":false}`)}

// introspect tells confidential clients about tokens (RFC 7662): their own, those for an
// audience that they serve, or, where declared, those of their organization.
func (s *Server) introspect(r *request) (answer, error) {
	if err := r.singleParameters(); err != nil {
		return nil, err
	}
	client, err := s.confidential(r)
	if err != nil {
		return nil, err
	}
	text := r.form.Get("token")
	if text == "" {
		return nil, oauth.Refuse(oauth.InvalidRequest, "token is missing")
	}
	v, err := s.decider.Token(r.Context(), r.World, r.now, text)
	if err != nil {
		return nil, err
	}
	if !v.Active() || !maySee(client, &v) {
		return inactive, nil
	}
	return jsonAnswer{body: s.introspection(&v)}, nil
}

// maySee reports whether the client may be told about the token. The organization is
// compared by its ID, which is never another's. An audience may have been another's when
// the token was issued: that it is the client's now counts while the token's application
// may ask for it, which it may not for one of another organization.
func maySee(c clientauth.Client, v *decide.Verdict) bool {
	if v.Application.UID == c.Application.UID {
		return true
	}
	audience := v.Token.Audience
	if slices.Contains(c.Application.Audiences, audience) && slices.Contains(v.Application.Resources, audience) {
		return true
	}
	return c.Application.IntrospectsOrganization && v.Organization.ID == c.Organization.ID
}

// introspection is the answer of RFC 7662 section 2.2. A machine's sub is its client ID,
// which is never a person's ID.
func (s *Server) introspection(v *decide.Verdict) json.RawMessage {
	b := make([]byte, 0, 768)
	b = appendString(append(b, `{"active":true,"scope":`...), v.Scopes.String())
	b = appendString(append(b, `,"client_id":`...), v.Application.ClientID)
	subject := v.Application.ClientID
	if v.User != nil {
		b = appendString(append(b, `,"username":`...), v.User.Email)
		subject = v.User.ID
	}
	b = appendString(append(b, `,"token_type":"Bearer","sub":`...), subject)
	b = appendString(append(b, `,"aud":`...), v.Token.Audience)
	b = appendString(append(b, `,"iss":`...), s.Issuer)
	b = strconv.AppendInt(append(b, `,"exp":`...), v.Token.ExpiresAt.Unix(), 10)
	b = strconv.AppendInt(append(b, `,"iat":`...), v.Token.IssuedAt.Unix(), 10)
	b = appendString(append(b, `,"org":`...), v.Organization.Slug)
	b = appendString(append(b, `,"org_id":`...), v.Organization.ID)
	return append(b, '}')
}
