package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/authorization"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Purposes of forms.
const (
	loginForm   = "login"
	signOutForm = "logout"
)

var refuseForm = oauth.Refuse(oauth.InvalidRequest, "the form is no longer valid")

// longestAddress is that of an email address, in bytes (RFC 5321 section 4.5.3.1).
const longestAddress = 254

// hashPatience is how long a sign-in waits for its turn to be computed.
const hashPatience = 10 * time.Second

// localProvider is the installation-wide way to sign in with a password; nil: there is
// none, and nobody does.
func localProvider(s *model.Snapshot) *model.Provider {
	for _, p := range s.Providers {
		if p.Local != nil && !p.Suspended {
			return p
		}
	}
	return nil
}

// showLogin asks how somebody signs in. Who is signed in has no need to, if that counts
// where they want to go.
func (s *Server) showLogin(r *request) (answer, error) {
	query := r.URL.Query()
	next := ownPath(query.Get("next"))
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	o, err := s.placeOf(r, query.Get(organizationParameter), next)
	if err != nil {
		return nil, err
	}
	if session != nil && !query.Has(againParameter) {
		counts := o == nil
		if o != nil {
			if counts, err = s.countsThere(r, session, o); err != nil {
				return nil, err
			}
		}
		if counts {
			return redirect{to: next}, nil
		}
	}
	p := pages.LoginPage{Next: next, Discover: true, Again: query.Has(againParameter)}
	return s.loginPage(r, http.StatusOK, p, o), nil
}

// againParameter asks somebody who is signed in to do so again.
const againParameter = "again"

// waiting is the authorization request that waits for a sign-in; nil: none, or none whose
// application is proven.
func (s *Server) waiting(r *request, next string) *authorization.Request {
	query, ok := strings.CutPrefix(next, authorizePath+"?")
	if !ok {
		return nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	values.Del(askedParameter)
	req, err := authorization.Read(s.Issuer, r.World, r.now, values)
	if refused := (*authorization.Refused)(nil); errors.As(err, &refused) {
		return refused.Request
	}
	return req
}

// loginPage draws the ways to sign in for an organization; for none, those of the
// installation.
func (s *Server) loginPage(r *request, status int, p pages.LoginPage, o *model.Organization) answer {
	form, cookie := s.sessions.VisitorForm(r.Request)
	if p.Token = form.Token(loginForm); o != nil {
		p.Slug, p.Organization = o.Slug, cmp.Or(o.DisplayName, o.Slug)
	}
	s.addWays(r, &p, o, form)
	if local := r.offersPassword(o); local != nil && p.Password {
		p.Forgot, p.Register = s.resets(r), s.registers(local)
		p.Passkey = s.offerPasskey(r, form)
	}
	if !p.Password && !p.Discover && len(p.First)+len(p.Then) == 0 {
		return noWay(o)
	}
	answer := page{status: status, scripted: p.Passkey.Offered()}
	if req := s.waiting(r, p.Next); req != nil {
		p.Brand = brandFor(req)
		p.Application = cmp.Or(req.Application.DisplayName, req.Application.ClientID)
		answer.leadsTo = append(answer.leadsTo, req.Target())
		if p.Problem == "" && p.Email == "" {
			p.Email = atMost(req.Query.Get("login_hint"), longestAddress)
		}
	}
	if p.Discover || len(p.First)+len(p.Then) > 0 {
		answer.leadsTo = append(answer.leadsTo, s.elsewhere()...)
	}
	answer.html = pages.Login(p)
	if cookie != nil {
		answer.cookies = append(answer.cookies, cookie)
	}
	return answer
}

// noWay is for a place where nobody can sign in.
func noWay(o *model.Organization) answer {
	p := pages.MessagePage{
		Kind: pages.Bad, Title: "Nobody can sign in yet",
		What: "No way to sign in is declared for this installation.",
		Do:   "Ask the administrator to declare an AuthProvider of type Local in the namespace of the installation.",
	}
	if o != nil {
		p.What = "No way to sign in counts for " + cmp.Or(o.DisplayName, o.Slug) + " now."
		p.Do = "Ask its administrator to declare an AuthProvider."
	}
	return page{status: http.StatusServiceUnavailable, html: pages.Message(p)}
}

// login proves who somebody is. The answer is the same for everybody who fails to
// (ASVS 6.3.8).
func (s *Server) login(r *request) (answer, error) {
	form, _ := s.sessions.VisitorForm(r.Request)
	if !form.Made(r.form.Get("token"), loginForm) {
		return nil, staleForm()
	}
	again := pages.LoginPage{Email: r.form.Get("email"), Next: ownPath(r.form.Get("next")), Again: r.form.Has(againParameter)}
	o, err := s.placeOf(r, r.form.Get(organizationParameter), again.Next)
	if err != nil {
		return nil, err
	}
	if r.form.Get("act") == "discover" {
		return s.discover(r, o, again)
	}
	provider := r.offersPassword(o)
	if provider == nil {
		return s.loginPage(r, http.StatusForbidden, again, o), nil
	}
	user, verdict, err := s.provePassword(r, again.Email, r.form.Get("password"))
	if err != nil {
		return nil, err
	}
	if verdict.problem != "" {
		again.Problem = verdict.problem
		return retryLater(s.loginPage(r, verdict.status, again, o), verdict.wait), nil
	}
	return s.proven(r, sessions.SignIn{User: user, ProviderUID: provider.UID, AMR: []string{oauth.AMRPassword}}, again.Next)
}

// proven goes on with who has proven a first factor: to next with a session, or to the
// question for the second one if they have it.
func (s *Server) proven(r *request, in sessions.SignIn, next string) (answer, error) {
	in = r.markElsewhere(in)
	if in.User.SecondFactor {
		return s.askSecondFactor(r, in, next)
	}
	return s.finish(r, in, next)
}

// finish goes on to next with a session, for who has proven all that they have to.
func (s *Server) finish(r *request, in sessions.SignIn, next string) (answer, error) {
	cookie, err := s.begin(r, in)
	// Meanwhile a factor was enrolled, the password is another one, or the account disabled.
	if errors.Is(err, store.ErrConflict) {
		return toLogin(next), nil
	}
	if err != nil {
		return nil, err
	}
	device, err := s.arrived(r, in.User)
	if err != nil {
		return nil, err
	}
	return redirect{to: next, cookies: []*http.Cookie{cookie, device}}, nil
}

// begin begins a session for who has just proven to be somebody, or renews it under a new
// identifier.
func (s *Server) begin(r *request, in sessions.SignIn) (*http.Cookie, error) {
	in.IP, in.UserAgent, in.RequestID = r.ip.String(), r.UserAgent(), r.id
	ctx := context.WithoutCancel(r.Context()) // what was proven counts, whoever waits for the answer
	return s.sessions.Begin(ctx, r.Request, r.now, in)
}

// verdict is why a password proved nothing; the zero value: it proved who somebody is.
type verdict struct {
	problem string
	status  int
	wait    time.Duration // before the next try; 0: none
}

const (
	busyHere  = "Too many people are signing in right now. Try again in a moment."
	wrongPair = "This email address and password do not match. Check both and try again."
)

// provePassword finds the person with this address and password. Every try is counted, and
// each that fails is in the audit log.
func (s *Server) provePassword(r *request, email, password string) (store.User, verdict, error) {
	try, wait, err := s.tryPassword(r, people.Address(email))
	if err != nil {
		return store.User{}, verdict{}, fmt.Errorf("count sign-in: %w", err)
	}
	if wait > 0 {
		return store.User{}, verdict{"There were too many attempts. Try again in " + inWords(wait) + ".", http.StatusTooManyRequests, wait}, nil
	}
	patience, cancel := context.WithTimeout(r.Context(), hashPatience)
	defer cancel()
	user, err := s.directory.SignIn(patience, r.now, email, password)
	if refused := (*people.Refusal)(nil); errors.As(err, &refused) {
		ctx := context.WithoutCancel(r.Context()) // nobody guesses unseen by leaving before the verdict
		if err := s.Store.Record(ctx, s.refusedSignIn(r, refused)); err != nil {
			return store.User{}, verdict{}, fmt.Errorf("record refused sign-in: %w", err)
		}
		return store.User{}, verdict{wrongPair, http.StatusForbidden, 0}, nil
	}
	if errors.Is(err, people.ErrBusy) {
		return store.User{}, verdict{busyHere, http.StatusTooManyRequests, time.Second}, nil
	}
	if err != nil {
		return store.User{}, verdict{}, fmt.Errorf("sign in: %w", err)
	}
	// The password may be stolen: only the whole sign-in makes this place a usual one.
	if err := s.rightPassword(context.WithoutCancel(r.Context()), r.now, try); err != nil {
		return store.User{}, verdict{}, err
	}
	return user, verdict{}, nil
}

// refusedSignIn never has the address as it was typed: people type passwords there.
func (s *Server) refusedSignIn(r *request, why *people.Refusal) store.Event {
	return store.Event{
		Time: r.now, Action: "session.started", Target: why.UserID, IP: r.ip.String(), RequestID: r.id,
		Outcome: "refused", Reason: why.Why,
	}
}

// toLogin sends somebody who is not signed in to do so and come back.
func toLogin(back string) answer {
	return redirect{to: loginPath + "?" + url.Values{"next": {back}}.Encode()}
}

// retryLater says when to try again; with no wait it says nothing.
func retryLater(a answer, wait time.Duration) answer {
	if wait == 0 {
		return a
	}
	return withHeader{a, http.Header{"Retry-After": {limits.RetryAfter(wait)}}}
}

// inWords rounds a wait up to what a person would say.
func inWords(wait time.Duration) string {
	switch seconds := int((wait + time.Second - 1) / time.Second); {
	case seconds <= 1:
		return "a second"
	case seconds < 60:
		return fmt.Sprintf("%d seconds", seconds)
	case seconds == 60:
		return "a minute"
	default:
		return fmt.Sprintf("%d minutes", (seconds+59)/60)
	}
}
