package server

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/authorization"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// authorizePath is the authorization endpoint, as it is linked to.
const authorizePath = "/oauth/authorize/"

// longestRequest bounds an authorization request, in bytes: it travels in URLs.
const longestRequest = 8 << 10

// inquiry is an authorization request together with who is asked.
type inquiry struct {
	*authorization.Request
	at      time.Time         // when it came first: what has to be fresh is compared with it
	session *sessions.Session // nil: nobody is signed in
	counted decide.Counted    // which of its sign-ins counts
	approval
}

// authorizeByPost answers a request in a body with the same in a URL (OpenID Connect Core
// section 3.1.2.1): the post comes from another site, and so without our cookies.
func (s *Server) authorizeByPost(r *request) (answer, error) {
	query := r.form.Encode()
	if len(query) > longestRequest {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the request is too long")
	}
	return redirect{to: authorizePath + "?" + query}, nil
}

// authorize is the authorization endpoint (RFC 6749 section 3.1). It goes as far as it can
// without the person, and else shows what the person has to decide.
func (s *Server) authorize(r *request) (answer, error) {
	query, err := r.query()
	if err != nil {
		return nil, err
	}
	at, proven := s.askedAt(r, query)
	query.Del(askedParameter)
	a, err := s.readInquiry(r, query, at)
	if err != nil {
		return sendBack(err)
	}
	if next, err := s.unsettled(r, a, proven); next != nil || err != nil {
		if err != nil {
			return sendBack(err)
		}
		return next, nil
	}
	covered, err := s.covered(r, a)
	switch {
	case err != nil:
		return nil, err
	case covered:
		if wait := s.approvals.Take(r.now, a.session.UserID); wait > 0 {
			return nil, tooMany(wait)
		}
		return s.approve(r, a, randomID())
	case a.Prompt.None:
		return sendBack(a.Refuse(oauth.ConsentRequired, "the person has to agree first"))
	}
	return s.consentPage(r, a)
}

// query reads the URL's query whole. net/http leaves out what it cannot read, and another
// request than the one that was sent would be answered.
func (r *request) query() (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, oauth.Refuse(oauth.InvalidRequest, "the query of the link is not well-formed")
	}
	return query, nil
}

// readInquiry reads a request and finds who is asked.
func (s *Server) readInquiry(r *request, query url.Values, at time.Time) (*inquiry, error) {
	req, err := authorization.Read(s.Issuer, r.World, r.now, query)
	if err != nil {
		return nil, err
	}
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	return &inquiry{Request: req, at: at, session: session}, nil
}

// sendBack answers a refusal that is for the application with a redirect to it, and leaves
// any other as it is.
func sendBack(err error) (answer, error) {
	if refused := (*authorization.Refused)(nil); errors.As(err, &refused) {
		return redirect{to: refused.Back()}, nil
	}
	return nil, err
}

// unsettled is what has to happen before the person can be asked for consent: to sign in,
// to choose the organization, or to learn that there is nothing to approve. Both results
// are nil when nothing has to.
func (s *Server) unsettled(r *request, a *inquiry, proven bool) (answer, error) {
	if next, err := s.signedIn(r, a, proven); next != nil || err != nil {
		return next, err
	}
	if next, err := s.settled(r, a); next != nil || err != nil {
		return next, err
	}
	if next, err := s.admitted(r, a, proven); next != nil || err != nil {
		return next, err
	}
	a.approval = r.judge(a.session, a.Organization, a.Application, a.Scopes)
	if a.obstacle == "" {
		return nil, nil
	}
	if a.Prompt.None {
		return nil, a.Refuse(oauth.AccessDenied, "the person may not give any of this")
	}
	return s.consentPage(r, a)
}

// signedIn demands a sign-in, and a fresh one where the application wants that: nothing
// before the request came is fresh (OpenID Connect Core section 3.1.2.1).
func (s *Server) signedIn(r *request, a *inquiry, proven bool) (answer, error) {
	stranger, err := s.stranger(a)
	if err != nil {
		return nil, err
	}
	switch {
	case a.session != nil && !stale(a) && !stranger:
		return nil, nil
	case a.Prompt.None:
		return nil, a.Refuse(oauth.LoginRequired, "the person has to sign in first")
	case stranger && proven && !stale(a):
		return nil, a.Refuse(oauth.LoginRequired, "somebody else signed in than id_token_hint names")
	}
	return s.toFreshLogin(r, a), nil
}

// stale reports whether the sign-in is older than the application accepts.
func stale(a *inquiry) bool { return a.session == nil || a.tooOld(a.session.AuthTime) }

func (a *inquiry) tooOld(signIn time.Time) bool {
	return a.Prompt.Login && signIn.Before(a.at) || a.MaxAge >= 0 && signIn.Before(a.at.Add(-a.MaxAge))
}

// stranger reports whether somebody else is signed in than the application expects.
func (s *Server) stranger(a *inquiry) (bool, error) {
	text := a.Query.Get("id_token_hint")
	if text == "" {
		return false, nil
	}
	hint, ok := s.tokens.ParseIDToken(text)
	if !ok || hint.Audience != a.Application.ClientID {
		return false, a.Refuse(oauth.InvalidRequest, "id_token_hint is no ID token that this application was given")
	}
	return a.session != nil && a.session.UserID != hint.Subject, nil
}

// settled has the person choose the organization if the application leaves it to them.
func (s *Server) settled(r *request, a *inquiry) (answer, error) {
	if a.Misplaced {
		return nil, a.NoPlace()
	}
	if a.Organization != nil {
		return nil, nil
	}
	choices := r.admitting(a)
	switch {
	case len(choices) == 1:
		return nil, a.Settle(choices[0])
	case a.Prompt.None:
		return nil, a.Refuse(oauth.InteractionRequired, "the person has to choose an organization")
	case len(choices) == 0:
		a.approval = approval{org: a.Owner, app: a.Application}
		a.obstacle = "None of your organizations admits " + a.application() + ". Ask an administrator of yours, or sign in with another account."
		return s.consentPage(r, a)
	}
	p := pages.OrganizationPage{Viewer: *s.viewer(a.session), Application: cmp.Or(a.Application.DisplayName, a.Application.ClientID)}
	for _, o := range choices {
		p.Choices = append(p.Choices, pages.Choice{Slug: o.Slug, Name: cmp.Or(o.DisplayName, o.Slug)})
	}
	proof, cookie := s.asked(r, a)
	p.Fields = append(hidden(a.Query), pages.Field{Name: askedParameter, Value: proof})
	return page{html: pages.ChooseOrganization(p), cookies: cookie, leadsTo: []string{a.Target()}}, nil
}

// admitting are the organizations where the person is a member, a sign-in like theirs may
// count and the application may work, in the order of their slugs.
func (r *request) admitting(a *inquiry) (choices []*model.Organization) {
	for o := range r.Organizations() {
		if !o.Suspended && o.Admits(a.Application) && r.Belongs(r.now, o, &a.session.User, &a.session.Session) &&
			len(o.RolesOf(r.Person(&a.session.User), r.now)) > 0 {
			choices = append(choices, o)
		}
	}
	slices.SortFunc(choices, func(x, y *model.Organization) int { return strings.Compare(x.Slug, y.Slug) })
	return choices
}

func hidden(query url.Values) (all []pages.Field) {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			all = append(all, pages.Field{Name: name, Value: value})
		}
	}
	return all
}

// approve gives the code: in the transaction in which the approval is used up.
func (s *Server) approve(r *request, a *inquiry, approvalID []byte) (answer, error) {
	code := tokens.NewAuthorizationCode()
	row := store.AuthorizationCode{
		Hash: s.tokens.HashAuthorizationCode(code), ApprovalID: approvalID,
		UserID: a.session.UserID, ApplicationUID: a.Application.UID, OrganizationID: a.Organization.ID, ClientID: a.Application.ClientID,
		SessionID: a.session.ID, SessionEndsAt: endOf(a), ProviderUID: a.counted.SignIn.ProviderUID,
		AuthTime: a.counted.SignIn.AuthTime, AMR: a.counted.SignIn.AMR, Granted: a.granted, Resource: a.Resource(),
		RedirectURI: a.RedirectGiven(), Challenge: a.Challenge, Nonce: a.Nonce,
		CreatedAt: r.now, ExpiresAt: r.now.Add(codeLife),
	}
	remember, err := s.toRemember(r, a)
	if err != nil {
		return nil, err
	}
	err = s.Store.CreateAuthorizationCode(r.Context(), row, remember, s.decided(r, a, "authorization.approved"))
	if errors.Is(err, store.ErrConflict) {
		return nil, &refusal{words: oauth.Refuse(oauth.InvalidRequest, "this request was answered already, or you were signed out"), status: http.StatusConflict}
	}
	if err != nil {
		return nil, fmt.Errorf("give authorization code: %w", err)
	}
	s.notice(r, a)
	return redirect{to: a.Approved(code)}, nil
}

func (s *Server) decided(r *request, a *inquiry, action string) store.Event {
	ev := store.Event{
		Time: r.now, Actor: a.session.UserID, ApplicationUID: a.Application.UID, Action: action,
		Target: a.Application.ClientID, IP: r.ip.String(), RequestID: r.id, Outcome: "ok",
	}
	if a.Organization != nil && a.Organization.Member(r.Person(&a.session.User), r.now) { // who does not belong there is nobody's there to see
		ev.OrganizationID = a.Organization.ID
	}
	ev.Reason = inAnEmergency(a.counted)
	return ev
}

// codeLife is how long a code may be redeemed (ASVS 10.4.3).
const codeLife = time.Minute

// askedParameter carries, over a detour to the sign-in, when a request came first. It is
// bound to the browser and the request: nobody makes an old sign-in look fresh with it.
const askedParameter = "asked"

// askedFor bounds the detour.
const askedFor = time.Hour

const askedForm = "authorization request"

// asked proves when a request came first.
func (s *Server) asked(r *request, a *inquiry) (proof string, cookies []*http.Cookie) {
	form, cookie := s.sessions.VisitorForm(r.Request)
	if cookie != nil {
		cookies = append(cookies, cookie)
	}
	at := strconv.FormatInt(a.at.UnixMilli(), 10)
	return at + "." + form.Token(askedForm, at, withoutChoice(a.Query)), cookies
}

// withoutChoice is the request as it came: the organization may be chosen on the way.
func withoutChoice(query url.Values) string {
	rest := maps.Clone(query)
	rest.Del(askedParameter)
	rest.Del("organization")
	return rest.Encode()
}

// askedAt is when a request came first; proven: that was before a detour.
func (s *Server) askedAt(r *request, query url.Values) (at time.Time, proven bool) {
	text, token, _ := strings.Cut(query.Get(askedParameter), ".")
	form, _ := s.sessions.VisitorForm(r.Request)
	millis, err := strconv.ParseInt(text, 10, 64)
	if at = time.UnixMilli(millis); err == nil && form.Made(token, askedForm, text, withoutChoice(query)) && r.now.Sub(at) < askedFor {
		return at, true
	}
	return r.now, false
}

// toFreshLogin sends the person to sign in, whoever is signed in now, and back to the
// request.
func (s *Server) toFreshLogin(r *request, a *inquiry) answer {
	back, cookies := s.backTo(r, a)
	to := url.Values{"next": {back}}
	if a.session != nil {
		to.Set(againParameter, "1")
	}
	return redirect{to: loginPath + "?" + to.Encode(), cookies: cookies}
}

// backTo is the way back to the request from a detour.
func (s *Server) backTo(r *request, a *inquiry) (path string, cookies []*http.Cookie) {
	proof, cookies := s.asked(r, a)
	back := maps.Clone(a.Query)
	back.Set(askedParameter, proof)
	return authorizePath + "?" + back.Encode(), cookies
}
