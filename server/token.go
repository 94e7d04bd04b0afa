package server

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/grants"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// token is the token endpoint (RFC 6749 section 3.2). The grant type is looked at first,
// then the client.
func (s *Server) token(r *request) (answer, error) {
	if err := r.singleParameters(); err != nil {
		return nil, err
	}
	g, err := grants.Known(r.form)
	if err != nil {
		return nil, err
	}
	client, err := s.client(r)
	if err != nil {
		return nil, err
	}
	issued, err := s.grants.Issue(r.Context(), g, &grants.Request{
		World: r.World, Now: r.now, Client: client, Form: r.form, IP: r.ip.String(), RequestID: r.id,
	})
	if err != nil {
		return nil, err
	}
	s.metrics.tokenIssued(g)
	if issued.SignedInBy != "" {
		s.wantRecheck(r.now, issued.User.ID, issued.SignedInBy)
	}
	return jsonAnswer{body: tokenBody(r.now, issued)}, nil
}

// singleParameters refuses a parameter that is there twice: two readers could take one
// each (RFC 6749 section 3.2).
func (r *request) singleParameters() error {
	for name, values := range r.form {
		if len(values) > 1 && name != "resource" { // RFC 8707 section 2 has its own word for several
			return oauth.Refuse(oauth.InvalidRequest, "a parameter is there more than once")
		}
	}
	return nil
}

// client finds out who sends the request. Whoever does not prove it is counted, before
// anything is done for them.
func (s *Server) client(r *request) (clientauth.Client, error) {
	headers := r.Header["Authorization"]
	if len(headers) > 1 {
		return clientauth.Client{}, oauth.Refuse(oauth.InvalidRequest, "two Authorization headers")
	}
	c, err := s.clients.Authenticate(r.Context(), r.Snapshot, r.now, r.Header.Get("Authorization"), r.form)
	if err != nil {
		return c, err // the adapter counts it
	}
	r.speaksTo = c.Application
	if c.Authenticated() {
		r.counted = true // by nobody: it proves itself
		return c, nil
	}
	return c, s.limitSource(r)
}

// admitAssertion bounds how many uses of assertions are remembered for an application, and
// for all of one organization: a tenant declares as many applications as it likes.
func (s *Server) admitAssertion(c clientauth.Client, now time.Time) error {
	if wait := s.assertions.Take(now, c.Application.UID); wait > 0 {
		return tooMany(wait)
	}
	if wait := s.assertionsOfAll.Take(now, c.Organization.ID); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

// confidential is client for endpoints that public clients may not use.
func (s *Server) confidential(r *request) (clientauth.Client, error) {
	c, err := s.client(r)
	if err == nil && !c.Authenticated() {
		return c, oauth.Refuse(oauth.InvalidClient, "client authentication failed")
	}
	return c, err
}

type organizationRef struct {
	Slug string `json:"slug"`
	ID   string `json:"id"`
}

type userRef struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// tokenBody is the answer of RFC 6749 section 5.1, with the organization the token works
// in and the person it speaks for.
func tokenBody(now time.Time, i *grants.Issued) json.RawMessage {
	b := make([]byte, 0, 1024)
	b = append(b, `{"access_token":`...)
	b = appendString(b, i.AccessToken)
	b = append(b, `,"token_type":"Bearer","expires_in":`...)
	b = strconv.AppendInt(b, int64(i.Access.ExpiresAt.Sub(now)/time.Second), 10)
	b = strconv.AppendInt(append(b, `,"expires_at":`...), i.Access.ExpiresAt.Unix(), 10)
	b = append(b, `,"scope":`...)
	b = appendString(b, i.Access.Scopes.String())
	if i.RefreshToken != "" {
		b = appendString(append(b, `,"refresh_token":`...), i.RefreshToken)
	}
	if i.IDToken != "" {
		b = appendString(append(b, `,"id_token":`...), i.IDToken)
	}
	b = appendOrganization(append(b, `,"organization":`...), i.Organization)
	if i.User != nil {
		b = appendValue(append(b, `,"user":`...), refUser(i.User))
	}
	return append(b, '}')
}

func refUser(u *store.User) userRef { return userRef{u.ID, u.Name, u.Email} }

func appendOrganization(b []byte, o *model.Organization) []byte {
	b = appendString(append(b, `{"slug":`...), o.Slug)
	b = appendString(append(b, `,"id":`...), o.ID)
	return append(b, '}')
}

// appendString appends a JSON string. Most need no escaping, and no reflection then.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return appendValue(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendValue appends what can always be encoded: structs of strings.
func appendValue(b []byte, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("encode answer"), err))
	}
	return append(b, raw...)
}
