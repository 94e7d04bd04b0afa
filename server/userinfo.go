package server

import (
	"encoding/json"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/grants"
)

// userinfo tells an application what its access token lets it know about the person (OpenID
// Connect Core section 5.3): what the ID token said, as it is now.
func (s *Server) userinfo(r *request) (answer, error) {
	v, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	if err := s.needs(v, oauth.OpenID); err != nil {
		return nil, err
	}
	who := grants.Disclosed(v.User, v.Organization, v.Roles, v.Scopes)
	b := make([]byte, 0, 512)
	b = appendString(append(b, `{"sub":`...), v.User.ID)
	if who.Name != "" {
		b = appendString(append(b, `,"name":`...), who.Name)
	}
	if who.Email != "" {
		b = appendString(append(b, `,"email":`...), who.Email)
		b = appendValue(append(b, `,"email_verified":`...), who.EmailVerified)
	}
	if who.Groups != nil {
		b = appendValue(append(b, `,"groups":`...), who.Groups)
	}
	b = appendString(append(b, `,"org":`...), v.Organization.Slug)
	b = appendString(append(b, `,"org_id":`...), v.Organization.ID)
	return jsonAnswer{body: json.RawMessage(append(b, '}'))}, nil
}
