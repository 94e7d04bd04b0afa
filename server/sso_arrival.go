package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// arrivalForm is the purpose of the form that takes in who came unasked.
const arrivalForm = "arrival"

// arrive goes on with what a provider has proven: whose it is, and what they came for.
func (s *Server) arrive(r *request, p *model.Provider, b upstream.Backend, a *attempt, proof upstream.Proof) (answer, error) {
	if proof.Once != "" {
		before, err := s.used(r, "assertion of "+p.UID+" "+proof.Once, later(proof.Until, r.now.Add(ssoFor)))
		if err != nil {
			return nil, err
		}
		if before {
			return s.refusedElsewhere(r, p, fmt.Errorf("%w: the assertion was used before", upstream.ErrRefused))
		}
	}
	profile, err := p.Mapping.Apply(proof.Claims)
	if err != nil {
		return s.unreadable(r, p, err)
	}
	who := upstream.Person{
		Now: r.now, Subject: profile.Subject, Email: profile.Email, EmailVerified: profile.EmailVerified,
		Name: profile.Name, Groups: profile.Groups, IP: r.ip.String(), RequestID: r.id,
	}
	if who.Renewal, err = s.sealRenewal(p.UID, who.Subject, proof.Renewal); err != nil {
		return nil, err
	}
	came := arrival{
		Provider: p.UID, Handle: a.Handle, Name: cmp.Or(profile.Name, profile.Email, profile.Subject), Email: profile.Email,
		AuthTime: proof.AuthTime, AMR: profile.AMR, At: r.now, Settings: s.settingsOf(p),
	}
	if a.Intent == toConnect {
		who.Groups = nil // they come with the next sign-in: this has to fit into an address
		came.Person = &who
	} else {
		if wait, err := s.newcomer(r, p, b, who.Subject); err != nil || wait > 0 {
			return s.tooManyCome(p, wait), err
		}
		u, err := b.SaveUser(r.Context(), who)
		if err != nil || u.Disabled {
			return s.noAccount(r, p, u, err)
		}
		came.User = u.ID
	}
	// Nobody came from another site with the cookies of a session; from a form of ours they
	// did, and from a redirect.
	if r.Method == http.MethodPost && !b.Describe().Asks {
		return s.passOn(p, came)
	}
	return s.takeIn(r, p, a, came)
}

// newcomers is how many accounts a provider makes: whoever runs one can say as many subjects
// as they like, and each is kept.
var newcomers = limits.Bucket{Burst: 2000, Interval: 2 * time.Second}

// newcomer counts somebody for whom an account would be made, or says how long to wait.
func (s *Server) newcomer(r *request, p *model.Provider, b upstream.Backend, subject string) (time.Duration, error) {
	if p.Provisioning.Mode != model.ProvisionJIT {
		return 0, nil
	}
	_, err := b.FindUser(r.Context(), subject)
	if err == nil {
		return 0, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("find the account of an identity: %w", err)
	}
	return s.lockouts.Try(r.Context(), r.now, limits.Rule{What: "accounts by " + p.UID, Bucket: &newcomers})
}

// tooManyCome is for somebody who comes for the first time when too many do.
func (s *Server) tooManyCome(p *model.Provider, wait time.Duration) answer {
	return retryLater(page{status: http.StatusTooManyRequests, html: pages.Message(pages.MessagePage{
		Kind: pages.Bad, Title: "You are not signed in", What: "There are too many people who come from " + nameOf(p) + " for the first time.",
		Do: "Try again in " + inWords(wait) + ".", Link: pages.Link{Text: "Sign in", Path: loginPath},
	})}, wait)
}

// later is the later of two moments.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// passOn sends the browser to our own page, where it shows its cookies.
func (s *Server) passOn(p *model.Provider, came arrival) (answer, error) {
	box, err := s.sealed.Seal(arrivalPurpose, came)
	if err != nil {
		return nil, err
	}
	return redirect{to: callbackPath(p.UID) + "?" + url.Values{arrivedParameter: {box}}.Encode()}, nil
}

func callbackPath(uid string) string { return "/login/callback/" + uid + "/" }

// arrivalAt reads who came by a post a moment ago; nil: nobody, or too long ago.
func (s *Server) arrivalAt(r *request, uid, box string) *arrival {
	var came arrival
	if !s.sealed.Open(arrivalPurpose, box, &came) || came.Provider != uid || r.now.Sub(came.At) >= ssoFor || !r.stillServed(uid, came.At) {
		return nil
	}
	if !slices.Equal(came.Settings, s.settingsOf(r.Provider(uid))) {
		return nil // who it proved was somebody by other settings
	}
	return &came
}

// cameByPost goes on with who came by a post: in the browser that began it, once.
func (s *Server) cameByPost(r *request, box string) (answer, error) {
	uid := r.PathValue("provider")
	came, p := s.arrivalAt(r, uid, box), r.Provider(uid)
	if came == nil || p == nil {
		return s.notBegun(r, ""), nil
	}
	if came.Handle == "" {
		return s.askArrival(r, p, came, box)
	}
	a := s.carried(r, uid, came.Handle, attemptCookie)
	if a == nil {
		return s.notBegun(r, came.Handle), nil
	}
	before, err := s.used(r, "arrival "+came.Handle, came.At.Add(ssoFor))
	if err != nil {
		return nil, err
	}
	if before {
		return s.notBegun(r, came.Handle), nil
	}
	got, err := s.takeIn(r, p, a, *came)
	if err != nil {
		return nil, err
	}
	return withCookies{got, s.putDown(r, came.Handle)}, nil
}

// takeIn signs somebody in, or connects the identity to the account of who went for it.
func (s *Server) takeIn(r *request, p *model.Provider, a *attempt, came arrival) (answer, error) {
	if a.Intent == toConnect {
		return s.connect(r, p, a, came)
	}
	u, err := s.Store.User(r.Context(), came.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && u.Disabled {
		return s.noAccount(r, p, u, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("find who signs in: %w", err)
	}
	if r.now.Sub(authTime(came)) >= sessions.Absolute { // a session of it would have ended
		return s.leave(r, p, attempt{Next: a.Next, Organization: a.Organization, Intent: toSignIn}, leaving{again: true})
	}
	in := sessions.SignIn{User: u, ProviderUID: p.UID, AMR: came.AMR, At: authTime(came)}
	return s.proven(r, in, a.Next)
}

// authTime is when somebody proved it, as the provider says: never later than now.
func authTime(came arrival) time.Time {
	if came.AuthTime.IsZero() || came.AuthTime.After(came.At) {
		return came.At
	}
	return came.AuthTime
}

// noAccount tells somebody whom a provider has proven that there is no way in for them.
func (s *Server) noAccount(r *request, p *model.Provider, u store.User, err error) (answer, error) {
	why, what, do := "account is disabled", "Your account here is disabled.", "Ask your administrator."
	switch {
	case errors.Is(err, upstream.ErrNotProvisioned):
		why, what = "nobody has this identity, and the provider makes no accounts", "Nobody here has an account with this identity of "+nameOf(p)+"."
		do = "If you have an account, sign in another way and connect it under Sign-in in your account; else ask your administrator."
	case errors.Is(err, upstream.ErrRefused):
		return s.refusedElsewhere(r, p, err)
	case errors.Is(err, upstream.ErrDisabled), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		// It was disabled, or the identity went elsewhere, in this moment.
	case err != nil:
		return nil, fmt.Errorf("keep who signs in: %w", err)
	}
	if err := s.recordRefused(context.WithoutCancel(r.Context()), r, p, u.ID, why); err != nil {
		return nil, err
	}
	return s.notSignedIn(r, what, do), nil
}

// unreadable is for claims that the mapping does not let in, or cannot read.
func (s *Server) unreadable(r *request, p *model.Provider, err error) (answer, error) {
	why, what, do := "the mapping requires something else", nameOf(p)+" knows you, but you may not sign in here with it.",
		"Ask your administrator to be let in, or sign in another way."
	if !errors.Is(err, mapping.ErrRequired) {
		// The error names the field and shows nothing of the claims.
		s.Log.Warn("what a provider says of a person cannot be read", "provider", p.Namespace+"/"+p.Name, "id", r.id, "error", err)
		why, what = "what the provider says cannot be read", "What "+nameOf(p)+" says of you cannot be read."
		do = "Tell your administrator the request below."
	}
	if err := s.recordRefused(context.WithoutCancel(r.Context()), r, p, "", why); err != nil {
		return nil, err
	}
	return s.notSignedIn(r, what, do), nil
}

// unsolicited reports whether an answer that nobody here asked for may be looked at: one
// that is posted, where the declaration says so (SAML 2.0 Profiles section 4.1.5).
func unsolicited(r *request, p *model.Provider) bool {
	return r.Method == http.MethodPost && p.SAML != nil && p.SAML.AllowIdPInitiated && !p.Suspended
}

// unsolicited proves an answer that nobody here asked for. It signs nobody in: whoever can
// sign in there themselves could post theirs with somebody else's browser, who then works
// in the wrong account (login CSRF).
func (s *Server) unsolicited(r *request, p *model.Provider, b upstream.Backend, form url.Values) (answer, error) {
	proof, err := b.Validate(r.Context(), upstream.Answer{Now: r.now, Form: form})
	if err != nil {
		return s.refusedElsewhere(r, p, err)
	}
	return s.arrive(r, p, b, &attempt{Intent: toSignIn}, proof)
}

// askArrival asks who came unasked whether they want to be signed in.
func (s *Server) askArrival(r *request, p *model.Provider, came *arrival, box string) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	form, cookie := s.sessions.VisitorForm(r.Request)
	d := pages.ArrivalPage{Provider: nameOf(p), Name: came.Name, Email: cmp.Or(came.Email, came.Name), Arrival: box, Token: form.Token(arrivalForm, box)}
	if session != nil {
		d.Replaces = session.User.Email
	}
	a := page{html: pages.Arrival(d)}
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a, nil
}

// takeArrival signs in who came unasked and said yes.
func (s *Server) takeArrival(r *request) (answer, error) {
	box := r.form.Get("arrival")
	form, _ := s.sessions.VisitorForm(r.Request)
	if !form.Made(r.form.Get("token"), arrivalForm, box) {
		return nil, staleForm()
	}
	var peek arrival
	if !s.sealed.Open(arrivalPurpose, box, &peek) {
		return nil, staleForm()
	}
	came, p := s.arrivalAt(r, peek.Provider, box), r.Provider(peek.Provider)
	if came == nil || p == nil || came.Handle != "" {
		return s.notBegun(r, ""), nil
	}
	before, err := s.used(r, "arrival "+box, came.At.Add(ssoFor))
	if err != nil {
		return nil, err
	}
	if before {
		return s.notBegun(r, ""), nil
	}
	return s.takeIn(r, p, &attempt{Intent: toSignIn, Next: homePath}, *came)
}
