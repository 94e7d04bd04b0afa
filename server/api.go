package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/grants"
)

// readOrganization is the scope that shows an organization.
const readOrganization = "org:read"

// bearer decides about the token of a request (RFC 6750). A token in the query is refused:
// it would stay in histories and logs (RFC 9700 section 4.3.2).
func (s *Server) bearer(r *request) (*decide.Verdict, error) {
	if r.URL.RawQuery != "" && r.URL.Query().Has("access_token") {
		return nil, s.challenge(oauth.InvalidRequest, "send the access token in the Authorization header, never in the query", http.StatusBadRequest, "")
	}
	headers := r.Header["Authorization"]
	if len(headers) == 0 { // RFC 6750 section 3.1: no error code when nothing was tried
		return nil, &refusal{
			words:  oauth.Refuse(oauth.InvalidToken, "an access token is needed"),
			status: http.StatusUnauthorized, challenge: s.realm(),
		}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return nil, s.challenge(oauth.InvalidToken, "send one Authorization header with the scheme Bearer", http.StatusUnauthorized, "")
	}
	v, err := s.decider.Token(r.Context(), r.World, r.now, strings.TrimSpace(token))
	if err != nil {
		return nil, err
	}
	s.speaksToOwner(r, &v)
	// A token for somebody else's API is worth nothing at ours (ASVS 10.3.1).
	if !v.Active() || v.Token.Audience != grants.OwnAudience(s.Issuer, v.Organization) {
		return nil, s.challenge(oauth.InvalidToken, "the access token is invalid, expired or revoked", http.StatusUnauthorized, "")
	}
	r.counted = true // by nobody: it proves itself
	return &v, nil
}

func (s *Server) realm() string { return `Bearer realm="` + s.Issuer + `"` }

// challenge refuses with the words of RFC 6750 section 3.
func (s *Server) challenge(code, description string, status int, scope string) error {
	challenge := s.realm() + `, error="` + code + `", error_description="` + description + `"`
	if scope != "" {
		challenge += `, scope="` + scope + `"`
	}
	return &refusal{words: oauth.Refuse(code, description), status: status, challenge: challenge}
}

// needs refuses a token that lacks a scope now.
func (s *Server) needs(v *decide.Verdict, scope string) error {
	if v.Scopes.Has(scope) {
		return nil
	}
	return s.challenge(oauth.InsufficientScope, "the access token does not have this scope", http.StatusForbidden, scope)
}

type emailJSON struct {
	Email      string `json:"email"`
	IsVerified bool   `json:"is_verified"`
}

type userJSON struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Email  string      `json:"email"`
	Emails []emailJSON `json:"emails"`
}

// user is the person that the token speaks for. A machine's speaks for nobody.
func (s *Server) user(r *request) (answer, error) {
	v, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	if v.User == nil {
		return nil, &refusal{words: oauth.Refuse("not_found", "the access token speaks for no person"), status: http.StatusNotFound}
	}
	u, emails := v.User, []emailJSON{}
	if u.Email != "" {
		emails = append(emails, emailJSON{u.Email, v.Organization.Proven(u.Person(), u.Email)})
	}
	return jsonAnswer{body: userJSON{u.ID, u.Name, u.Email, emails}}, nil
}

type statusJSON struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type organizationJSON struct {
	ID          string     `json:"id"`
	Slug        string     `json:"slug"`
	Name        string     `json:"name"`
	DateCreated time.Time  `json:"dateCreated,omitzero"` // files have none
	Status      statusJSON `json:"status"`
}

func showOrganization(o *model.Organization) organizationJSON {
	return organizationJSON{o.ID, o.Slug, o.DisplayName, o.CreatedAt.UTC(), statusJSON{"active", "active"}}
}

// organizations lists the one organization that the token works in.
func (s *Server) organizations(r *request) (answer, error) {
	v, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	if err := s.needs(v, readOrganization); err != nil {
		return nil, err
	}
	return jsonAnswer{body: []organizationJSON{showOrganization(v.Organization)}}, nil
}

// organization shows the token's organization by slug or ID.
func (s *Server) organization(r *request) (answer, error) {
	v, err := s.inOrganization(r, readOrganization)
	if err != nil {
		return nil, err
	}
	return jsonAnswer{body: showOrganization(v.Organization)}, nil
}
