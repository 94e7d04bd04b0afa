package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// A sign-in elsewhere goes: a form of ours (startSSO), the provider, its answer at our
// callback (sso_callback.go), the account it belongs to (sso_arrival.go), the session
// (proven). What the browser carries meanwhile is in sso_attempt.go.

// ssoForm is the purpose of the forms that begin a sign-in at a provider: nothing but one of
// ours begins it, so that no other site signs anybody in (ASVS 7.6.2).
const ssoForm = "sign-in elsewhere"

// backends are what stands behind the providers that are served.
type backends interface {
	Of(providerUID string) (upstream.Backend, bool)
}

// backend finds that of one provider; nil: there is none.
func (s *Server) backend(providerUID string) upstream.Backend {
	b, ok := s.backends.Of(providerUID)
	if !ok {
		return nil
	}
	return b
}

// elsewhere is where the forms of a page lead that offers providers.
func (s *Server) elsewhere() []string { return []string{"https:"} }

// ssoRequest is what a page or a form about one provider is about.
type ssoRequest struct {
	provider *model.Provider
	backend  upstream.Backend
	place    *model.Organization // nil: none
	session  *sessions.Session   // of who connects; nil: it is a sign-in
	form     sessions.Form
	cookie   *http.Cookie // of the form; nil: the browser has it
	next     string
	again    bool
}

// readSSO reads it. A provider is offered for what it belongs to, and to be connected to
// the account of whoever has just signed in.
func (s *Server) readSSO(r *request, values url.Values) (*ssoRequest, answer, error) {
	q := &ssoRequest{next: ownPath(values.Get("next")), again: values.Has(againParameter)}
	q.form, q.cookie = s.sessions.VisitorForm(r.Request)
	var err error
	if q.place, err = s.placeOf(r, values.Get(organizationParameter), q.next); err != nil {
		return nil, nil, err
	}
	uid := r.PathValue("provider")
	if q.provider = r.offers(q.place, uid); values.Get("intent") == string(toConnect) {
		session, err := s.session(r)
		switch {
		case err != nil:
			return nil, nil, err
		case session == nil:
			return nil, toLogin(identitiesPath), nil
		case !r.mayManage(session):
			return nil, s.managedElsewhere(session), nil
		case !isFresh(r, session):
			return nil, toFresh(identitiesPath), nil
		}
		q.session, q.provider, q.next = session, r.connectable(session, uid), identitiesPath
		q.form = s.sessions.Form(session)
	}
	if q.provider == nil || q.provider.Local != nil {
		return nil, nil, unknownProvider
	}
	if q.backend = s.backend(uid); q.backend == nil {
		return nil, s.unavailable(r, q.provider), nil
	}
	return q, nil, nil
}

var unknownProvider = &refusal{words: oauth.Refuse(oauth.InvalidRequest, "there is no such way to sign in here"), status: http.StatusNotFound}

// showSSO draws the page of one provider: with a button, or what it asks for.
func (s *Server) showSSO(r *request) (answer, error) {
	q, instead, err := s.readSSO(r, r.URL.Query())
	if instead != nil || err != nil {
		return instead, err
	}
	return s.providerPage(r, q, 0, pages.ProviderPage{Username: atMost(r.URL.Query().Get("username"), longestName)}), nil
}

// longestName is that of a name in a directory, in bytes.
const longestName = 256

func (s *Server) providerPage(r *request, q *ssoRequest, status int, p pages.ProviderPage) answer {
	p.Way = pages.Way{
		UID: q.provider.UID, Name: nameOf(q.provider), Asks: q.backend.Describe().Asks, Next: q.next, Again: q.again,
		Token: q.form.Token(ssoForm, q.provider.UID),
	}
	p.Connects = q.session != nil
	a := page{status: status, leadsTo: s.elsewhere()}
	if q.place != nil {
		p.Slug = q.place.Slug
	}
	if req := s.waiting(r, q.next); req != nil {
		p.Brand = brandFor(req)
		p.Application = cmp.Or(req.Application.DisplayName, req.Application.ClientID)
		a.leadsTo = append(a.leadsTo, req.Target())
	}
	a.html = pages.Provider(p)
	if q.cookie != nil && q.session == nil {
		a.cookies = append(a.cookies, q.cookie)
	}
	return a
}

func nameOf(p *model.Provider) string { return cmp.Or(p.DisplayName, p.Name) }

// startSSO begins a sign-in at a provider.
func (s *Server) startSSO(r *request) (answer, error) {
	q, instead, err := s.readSSO(r, r.form)
	if instead != nil || err != nil {
		return instead, err
	}
	if !q.form.Made(r.form.Get("token"), ssoForm, q.provider.UID) {
		return nil, staleForm()
	}
	a := attempt{Next: q.next, Intent: toSignIn}
	if q.place != nil {
		a.Organization = q.place.Slug
	}
	if q.session != nil {
		a.Intent, a.Session = toConnect, q.session.ID
	}
	if !q.backend.Describe().Asks {
		return s.leave(r, q.provider, a, leaving{again: q.again || q.session != nil})
	}
	if !r.form.Has("password") {
		return s.providerPage(r, q, 0, pages.ProviderPage{Username: atMost(r.form.Get("username"), longestName)}), nil
	}
	return s.askDirectory(r, q, a)
}

// leaving is what a provider is told of who comes.
type leaving struct {
	hint  string
	again bool
}

// leave sends the browser to a provider, with what brings it back here.
func (s *Server) leave(r *request, p *model.Provider, a attempt, l leaving) (answer, error) {
	b := s.backend(p.UID)
	if b == nil {
		return s.unavailable(r, p), nil
	}
	step, err := b.Authenticate(r.Context(), s.demanded(r, a.Next, upstream.Attempt{Now: r.now, Hint: l.hint, Again: l.again}))
	if err != nil {
		return s.refusedElsewhere(r, p, err)
	}
	if step.Redirect == "" || step.Handle == "" {
		return nil, fmt.Errorf("begin sign-in at %s/%s: it leads nowhere", p.Namespace, p.Name)
	}
	a.Provider, a.Settings, a.Handle, a.State, a.At = p.UID, s.settingsOf(p), step.Handle, step.State, r.now
	cookies, err := s.carry(r, p, a)
	if err != nil {
		return nil, err
	}
	return redirect{to: step.Redirect, cookies: cookies}, nil
}

// demanded adds what an application demands of the sign-in that it waits for: its provider
// may have its own session, by which it would say of somebody who is not there that they are.
func (s *Server) demanded(r *request, next string, a upstream.Attempt) upstream.Attempt {
	if req := s.waiting(r, next); req != nil {
		a.Again = a.Again || req.Prompt.Login || req.MaxAge == 0
		a.MaxAge = max(req.MaxAge, 0)
	}
	return a
}

// askDirectory signs in with name and password at a provider that has no pages of its own.
// Tries are counted as those of passwords kept here, and answered like them.
func (s *Server) askDirectory(r *request, q *ssoRequest, a attempt) (answer, error) {
	username := r.form.Get("username")
	again := pages.ProviderPage{Username: atMost(username, longestName)}
	try, wait, err := s.tryPassword(r, directoryName(q.provider, again.Username))
	if err != nil {
		return nil, fmt.Errorf("count sign-in: %w", err)
	}
	if wait > 0 {
		again.Problem = "There were too many attempts. Try again in " + inWords(wait) + "."
		return retryLater(s.providerPage(r, q, http.StatusTooManyRequests, again), wait), nil
	}
	ctx := context.WithoutCancel(r.Context()) // nobody guesses unseen by leaving before the verdict
	step, err := q.backend.Authenticate(ctx, upstream.Attempt{Now: r.now, Username: username, Password: r.form.Get("password")})
	switch {
	case errors.Is(err, upstream.ErrRefused):
		if err := s.recordRefused(ctx, r, q.provider, "", "wrong name or password"); err != nil {
			return nil, err
		}
		again.Problem = "This name and password do not match. Check both and try again."
		return s.providerPage(r, q, http.StatusForbidden, again), nil
	case err != nil:
		return s.refusedElsewhere(r, q.provider, err)
	case step.Proof == nil:
		return nil, fmt.Errorf("sign in at %s/%s: nothing was proven", q.provider.Namespace, q.provider.Name)
	}
	if err := s.rightInDirectory(ctx, r, try); err != nil {
		return nil, err
	}
	a.Provider, a.At = q.provider.UID, r.now
	return s.arrive(r, q.provider, q.backend, &a, *step.Proof)
}

// directoryName is what tries at a name in a directory are counted by. Directories compare
// names without regard to case and to how many spaces there are (RFC 4518).
func directoryName(p *model.Provider, typed string) string {
	return p.UID + " " + strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(typed))), " ")
}

// rightInDirectory takes back the try, and makes the place a usual one for the name: guesses
// made elsewhere do not hold it up.
func (s *Server) rightInDirectory(ctx context.Context, r *request, try passwordTry) error {
	if err := s.rightPassword(ctx, r.now, try); err != nil {
		return fmt.Errorf("take back try: %w", err)
	}
	key, places := s.Keyring.LookupKey(), []string{limits.Source(r.ip)}
	if device := s.sessions.Device(r.Request); device != "" {
		places = append(places, "device "+device)
	}
	var hashes [][]byte
	for _, place := range places {
		s.signIns.Arrive(r.now, try.account, place)
		hashes = append(hashes, limits.PlaceHash(key, try.account, place))
	}
	if _, err := s.Store.KeepPlaces(ctx, limits.AccountHash(key, try.account), hashes, r.now); err != nil {
		return fmt.Errorf("keep the place of a sign-in: %w", err)
	}
	return nil
}

// unavailable is for a provider that cannot be asked now.
func (s *Server) unavailable(r *request, p *model.Provider) answer {
	return page{status: http.StatusServiceUnavailable, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: nameOf(p) + " cannot be reached",
		What: "Without it there is no way to know who you are.", Do: "Try again in a few minutes, or sign in another way.",
		Link: pages.Link{Text: "Sign in", Path: loginPath}, RequestID: r.id,
	})}
}

// refusedElsewhere tells that nothing was proven. What exactly was wrong is for the log: it
// would tell a forger how to go on.
func (s *Server) refusedElsewhere(r *request, p *model.Provider, why error) (answer, error) {
	ctx := context.WithoutCancel(r.Context())
	switch {
	case errors.Is(why, upstream.ErrUnavailable):
		s.Log.Warn("a provider of sign-ins cannot be reached", "provider", p.Namespace+"/"+p.Name, "id", r.id, "error", why)
		return s.unavailable(r, p), nil
	case !errors.Is(why, upstream.ErrRefused):
		return nil, fmt.Errorf("sign in at %s/%s: %w", p.Namespace, p.Name, why)
	}
	s.Log.Warn("the answer of a provider was refused", "provider", p.Namespace+"/"+p.Name, "id", r.id, "error", why)
	if err := s.recordRefused(ctx, r, p, "", "answer of the provider refused"); err != nil {
		return nil, err
	}
	return s.notSignedIn(r, "What "+nameOf(p)+" answered proves nothing here.",
		"Start again. If it stays like this, tell your administrator the request below."), nil
}

// recordRefused writes that a sign-in by a provider was refused.
func (s *Server) recordRefused(ctx context.Context, r *request, p *model.Provider, userID, why string) error {
	err := s.Store.Record(ctx, store.Event{
		Time: r.now, Action: "session.started", Target: userID, OrganizationID: p.OrganizationID, IP: r.ip.String(), RequestID: r.id,
		Outcome: "refused", Reason: why + " (" + p.Namespace + "/" + p.Name + ")",
	})
	if err != nil {
		return fmt.Errorf("record refused sign-in: %w", err)
	}
	return nil
}

// notSignedIn ends a sign-in that came to nothing.
func (s *Server) notSignedIn(r *request, what, do string) answer {
	return page{status: http.StatusForbidden, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "You are not signed in", What: what, Do: do,
		Link: pages.Link{Text: "Sign in", Path: loginPath}, RequestID: r.id,
	})}
}
