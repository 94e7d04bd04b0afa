package server

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/authorization"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// endSessionPath is the end session endpoint, as it is linked to.
const endSessionPath = "/oauth/logout/"

const endSessionForm = "end session"

// farewell is a request to sign somebody out (OpenID Connect RP-Initiated Logout section 2).
type farewell struct {
	query url.Values
	app   *model.Application // who asks; nil: nobody says, or it is not served
	// subject is whom the application means, by an ID token that it was given; empty: it
	// does not say, so the person is asked (ASVS 10.6.2).
	subject string
	back    string // where to go afterwards; empty: nowhere
	// forgotten: the hint cannot be read.
	forgotten bool
}

// readFarewell refuses what may not be done; nothing is ever sent to an address that the
// application did not register (RFC 9700 section 4.11).
func (s *Server) readFarewell(r *request, query url.Values) (*farewell, error) {
	for _, values := range query {
		if len(values) > 1 {
			return nil, oauth.Refuse(oauth.InvalidRequest, "a parameter is there more than once")
		}
	}
	f := &farewell{query: query}
	if err := s.whoSaysFarewell(r, f); err != nil {
		return nil, err
	}
	back := query.Get("post_logout_redirect_uri")
	switch {
	case back == "", f.app == nil && f.forgotten:
		return f, nil
	case f.app == nil || !slices.Contains(f.app.PostLogoutRedirectURIs, back):
		return nil, oauth.Refuse(oauth.InvalidRequest, "the application did not register where it wants to send you afterwards: post_logout_redirect_uri is not one of its postLogoutRedirectURIs")
	}
	f.back = withState(back, query.Get("state"))
	return f, nil
}

// whoSaysFarewell finds the application, and whom it means. A hint that cannot be read may
// be one whose key is gone: it counts for nothing, and the person is asked.
func (s *Server) whoSaysFarewell(r *request, f *farewell) error {
	id := f.query.Get("client_id")
	if text := f.query.Get("id_token_hint"); text != "" {
		hint, ok := s.tokens.ParseIDToken(text)
		switch {
		case !ok:
			f.forgotten = true
		case id != "" && id != hint.Audience:
			return oauth.Refuse(oauth.InvalidRequest, "id_token_hint is no ID token that this application was given")
		default:
			id, f.subject = hint.Audience, hint.Subject
		}
	}
	if o, app := r.Application(id); app != nil && !o.Suspended && app.Served(r.now) {
		f.app = app
	}
	return nil
}

func withState(uri, state string) string {
	switch {
	case state == "":
		return uri
	case strings.Contains(uri, "?"):
		return uri + "&" + url.Values{"state": {state}}.Encode()
	}
	return uri + "?" + url.Values{"state": {state}}.Encode()
}

// showEndSession signs out whom an application means, or asks.
func (s *Server) showEndSession(r *request) (answer, error) {
	query, err := s.farewellQuery(r)
	if err != nil {
		return nil, err
	}
	f, err := s.readFarewell(r, query)
	if err != nil {
		return nil, err
	}
	session, err := s.session(r)
	switch {
	case err != nil:
		return nil, err
	case session == nil:
		return f.done(nil), nil
	case f.app != nil && f.subject == session.UserID: // who is not served has nothing to say
		return s.endSession(r, session, f)
	}
	form := s.sessions.Form(session)
	p := pages.EndSessionPage{Viewer: *s.viewer(session), Fields: hidden(f.query), Token: form.Token(endSessionForm, f.query.Encode())}
	if f.app != nil {
		p.Application = cmp.Or(f.app.DisplayName, f.app.ClientID)
	}
	return page{html: pages.EndSession(p), leadsTo: f.targets()}, nil
}

// endSessionByPost takes the answer of our own page. Any other post is an application's
// (OpenID Connect RP-Initiated Logout section 2): the same by GET.
func (s *Server) endSessionByPost(r *request) (answer, error) {
	if !r.form.Has("decision") {
		return s.farewellByGet(r)
	}
	token, decision := r.form.Get("token"), r.form.Get("decision")
	r.form.Del("token")
	r.form.Del("decision")
	f, err := s.readFarewell(r, r.form)
	if err != nil {
		return nil, err
	}
	session, err := s.session(r)
	switch {
	case err != nil:
		return nil, err
	case session == nil:
		return f.done(nil), nil
	case !s.sessions.Form(session).Made(token, endSessionForm, f.query.Encode()):
		return nil, staleForm()
	case decision != "signout":
		return redirect{to: homePath}, nil
	}
	return s.endSession(r, session, f)
}

// postedParameter carries a request that was posted on to the same by GET.
const postedParameter = "posted"

// posted is a request that an application posted, so that the ID token in it stays out of
// URLs, and with that out of histories and the logs of proxies.
type posted struct {
	Query string    `json:"query"`
	At    time.Time `json:"at"`
}

// farewellByGet asks the browser to come again by GET: posts from other sites have no cookies.
func (s *Server) farewellByGet(r *request) (answer, error) {
	query := r.form.Encode()
	if len(query) > longestRequest {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the request is too long")
	}
	box, err := s.sealed.Seal(endSessionForm, posted{query, r.now})
	if err != nil {
		return nil, err
	}
	return redirect{to: endSessionPath + "?" + url.Values{postedParameter: {box}}.Encode()}, nil
}

// farewellQuery reads a request as it is in the URL, or as it was posted a moment ago.
func (s *Server) farewellQuery(r *request) (url.Values, error) {
	query, err := r.query()
	if err != nil || !query.Has(postedParameter) {
		return query, err
	}
	var p posted
	if !s.sealed.Open(endSessionForm, query.Get(postedParameter), &p) || r.now.Sub(p.At) >= time.Minute {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the request to sign out is no longer valid")
	}
	return url.ParseQuery(p.Query)
}

func (s *Server) endSession(r *request, session *sessions.Session, f *farewell) (answer, error) {
	ev := store.Event{
		Time: r.now, Actor: session.UserID, Action: "session.ended", Target: session.ID,
		IP: r.ip.String(), RequestID: r.id, Outcome: "ok", Reason: "signed out by an application",
	}
	if f.app != nil {
		ev.ApplicationUID = f.app.UID
	}
	cookie, err := s.sessions.End(r.Context(), session, ev)
	if err != nil {
		return nil, err
	}
	return f.done([]*http.Cookie{cookie}), nil
}

// done goes where the application wants, or says that the person is signed out.
func (f *farewell) done(cookies []*http.Cookie) answer {
	if f.back == "" {
		return redirect{to: "/logout/", cookies: cookies}
	}
	return redirect{to: f.back, cookies: cookies}
}

// targets are what the page's policy names of where its form leads.
func (f *farewell) targets() []string {
	if f.back == "" {
		return nil
	}
	return []string{authorization.Target(f.back)}
}
