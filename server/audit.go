package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// readAudit is the scope that shows what happened in an organization.
const readAudit = "org:write"

// How many events one answer has.
const (
	auditPage     = 100
	auditPageMost = 500
)

type auditActorJSON struct {
	Type  string `json:"type"` // user, application, operator
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

type auditEventJSON struct {
	ID          string         `json:"id"`
	DateCreated time.Time      `json:"dateCreated"`
	Event       string         `json:"event"`
	Actor       auditActorJSON `json:"actor"`
	Application string         `json:"application,omitempty"` // its client ID
	Target      string         `json:"target,omitempty"`
	IPAddress   string         `json:"ipAddress,omitempty"`
	RequestID   string         `json:"requestId,omitempty"`
	Outcome     string         `json:"outcome"`
	Reason      string         `json:"reason,omitempty"`
}

// audit lists what happened in the token's organization, the newest first. What people do
// apart from any organization, such as signing in, is nobody's there to see.
func (s *Server) audit(r *request) (answer, error) {
	v, err := s.inOrganization(r, readAudit)
	if err != nil {
		return nil, err
	}
	q, err := auditQuery(r.URL.Query())
	if err != nil {
		return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, err.Error()), status: http.StatusBadRequest}
	}
	q.OrganizationID = v.Organization.ID
	page := q.Limit
	q.Limit++ // one more tells that there is a next page
	found, err := s.Store.FindEvents(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("find events: %w", err)
	}
	header := http.Header{}
	if len(found) > page {
		found = found[:page]
		header.Set("Link", s.nextPage(r, strconv.FormatInt(found[page-1].ID, 10)))
	}
	body := make([]auditEventJSON, 0, len(found))
	for _, ev := range found {
		shown, err := s.showEvent(r, v.Organization, ev)
		if err != nil {
			return nil, err
		}
		body = append(body, shown)
	}
	return withHeader{jsonAnswer{body: body}, header}, nil
}

// inOrganization decides about a token for a path of one organization, named by slug or ID.
// Whether any other than the token's exists the answer does not tell.
func (s *Server) inOrganization(r *request, scope string) (*decide.Verdict, error) {
	v, err := s.ofOrganization(r)
	if err != nil {
		return nil, err
	}
	return v, s.needs(v, scope)
}

// ofOrganization is inOrganization for who says later which scope is needed.
func (s *Server) ofOrganization(r *request) (*decide.Verdict, error) {
	v, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	if asked := r.PathValue("organization"); asked != v.Organization.Slug && asked != v.Organization.ID {
		return nil, s.challenge(oauth.InsufficientScope, "the access token does not work in this organization", http.StatusForbidden, "")
	}
	return v, nil
}

// nextPage is a link of RFC 8288 to what comes after the page that the cursor ends.
func (s *Server) nextPage(r *request, cursor string) string {
	query := r.URL.Query()
	query.Set("cursor", cursor)
	next := s.Issuer + strings.TrimSuffix(r.URL.Path, "/") + "/?" + query.Encode()
	return "<" + next + `>; rel="next"`
}

// auditQuery reads the parameters: event, actor, outcome, since, until, cursor, limit. Its
// errors name the parameter and the cure.
func auditQuery(values url.Values) (q store.EventQuery, err error) {
	q = store.EventQuery{Action: values.Get("event"), Of: values.Get("actor"), Outcome: values.Get("outcome"), Limit: auditPage}
	if err = onlyOnce(values); err != nil {
		return q, err
	}
	if q.Since, err = auditTime(values, "since"); err != nil {
		return q, err
	}
	if q.Until, err = auditTime(values, "until"); err != nil {
		return q, err
	}
	if text := values.Get("cursor"); text != "" {
		if q.Before, err = strconv.ParseInt(text, 10, 64); err != nil || q.Before <= 0 {
			return q, errors.New("cursor is not one of ours; take the one in the Link header of the page before")
		}
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > auditPageMost {
			return q, fmt.Errorf("limit must be a number from 1 to %d", auditPageMost)
		}
	}
	return q, nil
}

func onlyOnce(values url.Values) error {
	for name, all := range values {
		if len(all) > 1 {
			return errors.New(strconv.QuoteToASCII(atMost(name, 32)) + " is there more than once; send it once")
		}
	}
	return nil
}

func auditTime(values url.Values, name string) (time.Time, error) {
	text := values.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New(name + " must be a time of RFC 3339, such as 2026-01-31T00:00:00Z")
	}
	return at, nil
}

func (s *Server) showEvent(r *request, o *model.Organization, ev store.Event) (auditEventJSON, error) {
	actor, err := s.showActor(r, o, ev.Actor)
	if err != nil {
		return auditEventJSON{}, err
	}
	shown := auditEventJSON{
		ID: strconv.FormatInt(ev.ID, 10), DateCreated: ev.Time, Event: ev.Action, Actor: actor, Target: ev.Target,
		IPAddress: ev.IP, RequestID: ev.RequestID, Outcome: ev.Outcome, Reason: ev.Reason,
	}
	if app := r.ApplicationIn(o, ev.ApplicationUID); app != nil {
		shown.Application = app.ClientID
	}
	return shown, nil
}

// showActor tells a person by what they are called now, if they are still a member there: of
// anybody else that is not the organization's to know.
func (s *Server) showActor(r *request, o *model.Organization, actor string) (auditActorJSON, error) {
	switch {
	case actor == "":
		return auditActorJSON{Type: "unknown"}, nil
	case actor == "operator":
		return auditActorJSON{Type: "operator"}, nil
	case !strings.HasPrefix(actor, "usr_"):
		return auditActorJSON{Type: "application", ID: actor}, nil
	}
	u, err := s.cache.User(r.Context(), actor)
	if errors.Is(err, store.ErrNotFound) {
		return auditActorJSON{Type: "user", ID: actor}, nil
	}
	if err != nil {
		return auditActorJSON{}, fmt.Errorf("find who acted: %w", err)
	}
	if !o.Member(r.Person(&u), r.now) {
		return auditActorJSON{Type: "user", ID: actor}, nil
	}
	return auditActorJSON{Type: "user", ID: actor, Name: u.Name, Email: u.Email}, nil
}
