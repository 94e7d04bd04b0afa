package server

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// peopleServices are what the pages need besides the store.
type peopleServices struct {
	sessions    *sessions.Manager
	directory   *people.Directory
	signIns     *limits.SignIn
	codeEntries *limits.CodeEntry
	factorTries *limits.SecondFactor
	factors     *factors.Vault
	lockouts    *limits.Durable
	errands     *errands
	backends    backends
	upstreams   *upstream.Backends
	rechecks    *rechecks
	site        *passkeys.Site
}

func (s *Server) preparePages() (err error) {
	s.directory = people.NewDirectory(s.Store)
	s.upstreams = upstream.NewBackends(upstream.Env{
		Issuer: s.Issuer, Accounts: s.Store, Directory: s.directory, Now: s.Now,
		Outbound: func(caBundle string) *outbound.Client { return outbound.New(s.Outbound.With(caBundle)) },
	})
	s.backends, s.rechecks = s.upstreams, newRechecks(s.recheck)
	s.signIns = limits.NewSignIn(s.RateLimitScale)
	s.codeEntries = limits.NewCodeEntry(s.RateLimitScale)
	s.factorTries = limits.NewSecondFactor(s.RateLimitScale)
	s.errands = newErrands()
	s.lockouts = limits.NewDurable(s.Store, s.Keyring.LookupKey(), s.RateLimitScale)
	if s.factors, err = factors.NewVault(s.Keyring); err != nil {
		return err
	}
	if s.site, err = passkeys.NewSite(s.Issuer); err != nil {
		return err
	}
	s.sessions, err = sessions.NewManager(s.Store, s.Keyring, s.Issuer)
	return err
}

// Paths of pages, as they are linked to.
const (
	homePath   = "/"
	loginPath  = "/login/"
	secondPath = "/login/code/"
	keyPath    = "/login/key/"
	alonePath  = "/login/passkey/"
	verifyPath = "/oauth/device/"

	accountPath      = "/account/"
	passwordPath     = "/account/password/"
	factorsPath      = "/account/factors/"
	newFactorPath    = "/account/factors/new/"
	identitiesPath   = "/account/identities/"
	invitationPath   = "/invitation/"
	newKeyPath       = "/account/factors/key/"
	sessionsPath     = "/account/sessions/"
	applicationsPath = "/account/applications/"
	activityPath     = "/account/activity/"
	resetPath        = "/reset/"
	forgotPath       = "/forgot/"
	addressPath      = "/account/address/"
	confirmPath      = "/account/address/confirm/"
	finishPath       = "/register/finish/"
)

// pageRoutes are the endpoints for people.
func (s *Server) pageRoutes() []route {
	return []route{
		{path: "", get: s.home, audience: forPeople},
		{path: "/login", get: s.showLogin, post: s.login, audience: forPeople},
		{path: "/login/code", get: backToLogin, post: s.secondFactor, audience: forPeople},
		{path: "/login/sso/{provider}", get: s.showSSO, post: s.startSSO, audience: forPeople},
		{path: "/login/callback/{provider}", get: s.ssoCallback, post: s.ssoCallbackByPost, audience: forPeople, anySite: true, acts: true},
		{path: "/login/arrival", post: s.takeArrival, audience: forPeople},
		{path: "/login/metadata/{provider}", get: s.ssoMetadata, audience: forPeople},
		{path: "/login/key", get: backToLogin, post: s.secondKey, audience: forPeople},
		{path: "/login/passkey", get: backToLogin, post: s.passkey, audience: forPeople},
		{path: "/logout", get: s.showLogout, post: s.logout, audience: forPeople},
		{path: "/oauth/authorize", get: s.authorize, post: s.authorizeByPost, audience: forPeople, anySite: true, acts: true},
		{path: "/oauth/consent", post: s.consent, audience: forPeople},
		{path: "/oauth/logout", get: s.showEndSession, post: s.endSessionByPost, audience: forPeople, anySite: true, acts: true},
		{path: "/oauth/device", get: s.showVerification, post: s.verify, audience: forPeople},
		{path: "/account", get: s.showAccount, post: s.rename, audience: forPeople},
		{path: "/account/password", get: s.showPassword, post: s.changePassword, audience: forPeople},
		{path: "/account/factors", get: s.showFactors, post: s.changeFactors, audience: forPeople},
		{path: "/account/factors/new", get: s.showEnrolment, post: s.enrol, audience: forPeople},
		{path: "/invitation", get: s.showInvitation, post: s.answerInvitation, audience: forPeople},
		{path: "/account/identities", get: s.showIdentities, post: s.disconnectIdentity, audience: forPeople},
		{path: "/account/factors/key", get: s.showNewKey, post: s.addKey, audience: forPeople},
		{path: "/account/sessions", get: s.showSessions, post: s.endSessions, audience: forPeople},
		{path: "/account/applications", get: s.showApplications, post: s.disconnect, audience: forPeople},
		{path: "/account/activity", get: s.showActivity, audience: forPeople},
		{path: "/reset", get: s.showReset, post: s.reset, audience: forPeople},
		{path: "/account/address", get: s.showAddress, post: s.changeAddress, audience: forPeople},
		{path: "/account/address/confirm", get: s.showConfirm, post: s.confirm, audience: forPeople},
		{path: "/register", get: s.showRegister, post: s.register, audience: forPeople},
		{path: "/register/finish", get: s.showFinish, post: s.finishRegistration, audience: forPeople},
		{path: "/forgot", get: s.showForgot, post: s.forgot, audience: forPeople},
		{path: "/static/{file}", get: static, audience: forPeople},
		{path: "/branding/{file}", get: branding, audience: forPeople},
	}
}

// home says what this place is to whoever comes without a purpose.
func (s *Server) home(r *request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	p := pages.MessagePage{
		Kind: pages.Neutral, Title: "This is a Gatehouse",
		What: "Applications send you here to sign in.",
		Link: pages.Link{Text: "Sign in", Path: loginPath},
	}
	if session != nil {
		p.Kind, p.Title, p.Viewer = pages.Good, "You are signed in", s.viewer(session)
		p.What = "You can close this tab, or look at your account."
		p.Link = pages.Link{Text: "Your account", Path: accountPath}
	}
	return page{html: pages.Message(p)}, nil
}

// errorPage tells a person what went wrong: message is for them to read, id for whoever
// they ask for help.
func (s *Server) errorPage(r *request, status int, message string) answer {
	p := pages.MessagePage{Kind: pages.Bad, Title: "That did not work", What: sentence(message), RequestID: r.id}
	switch {
	case status == http.StatusTooManyRequests:
		p.Title, p.What, p.Do = "Too many requests", "", "Wait a minute, then try again."
	case status >= http.StatusInternalServerError:
		p.Title, p.What = "Something went wrong here", "It is not your fault."
		p.Do = "Try again in a moment. If it stays like this, tell your administrator the request below."
	case status == http.StatusForbidden:
		p.Do = "Go back, load the page again, and repeat what you did."
	default:
		p.Do = "Go back and try again from the start. If it happens again, tell whoever runs the application."
	}
	return page{status: status, html: pages.Message(p)}
}

// sentence makes one of a protocol error's description.
func sentence(description string) string {
	if description == "" {
		return ""
	}
	return string(description[0]&^0x20) + description[1:] + "."
}

// session returns who the browser is signed in as; nil: nobody.
func (s *Server) session(r *request) (*sessions.Session, error) {
	found, err := s.sessions.Find(r.Context(), r.Request, r.now)
	if errors.Is(err, sessions.ErrNone) {
		return nil, nil
	}
	if err == nil {
		s.usedBy(r, found)
	}
	return found, err
}

// viewer is the session as the end of a page shows it.
func (s *Server) viewer(session *sessions.Session) *pages.Viewer {
	return &pages.Viewer{
		Name: session.User.Name, Email: session.User.Email,
		SignOut: s.sessions.Form(session).Token(signOutForm),
	}
}

// staleForm refuses a form that this browser, in this session, was not given for this:
// it has been open for too long, or somebody else made it (ASVS 7.6.2).
func staleForm() error {
	return &refusal{words: refuseForm, status: http.StatusForbidden}
}

// ownPath returns where to go after sign-in: one of our own pages, whatever was asked for
// (RFC 9700 section 4.11). Only path and query are taken, and the path is compared with a
// list, so there is no form of writing another host that could slip through.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return homePath
	}
	switch path := u.EscapedPath(); path {
	case confirmPath, invitationPath:
		return path + "?" + url.Values{linkParameter: {u.Query().Get(linkParameter)}}.Encode()
	case accountPath, addressPath, passwordPath, factorsPath, newFactorPath, newKeyPath, identitiesPath, sessionsPath, applicationsPath, activityPath:
		return path
	case verifyPath, "/oauth/device":
		return (&url.URL{Path: verifyPath, RawQuery: u.Query().Encode()}).String()
	case authorizePath:
		return (&url.URL{Path: authorizePath, RawQuery: u.Query().Encode()}).String()
	}
	return homePath
}

// static serves style sheet, icon and script.
func static(*request) (answer, error) { return staticFile{}, nil }

type staticFile struct{}

func (staticFile) write(w http.ResponseWriter, r *request) { pages.Static().ServeHTTP(w, r.Request) }
