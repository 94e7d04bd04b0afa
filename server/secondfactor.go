package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// secondForm is the purpose of the form that asks for a code, and of what it carries.
const secondForm = "second factor"

// pendingFor is how long somebody may take from the first factor to the second.
const pendingFor = 5 * time.Minute

// codeInput bounds what is read as a code, in bytes: a recovery code, and what people put
// between its groups.
const codeInput = 64

// pendingSignIn is a sign-in between its two factors. It is no session: it is sealed in the
// page, of one browser, and opens nothing but that page.
type pendingSignIn struct {
	User     string    `json:"user"`
	Provider string    `json:"provider"`
	AMR      []string  `json:"amr"`
	At       time.Time `json:"at"`
	Proven   time.Time `json:"proven"`   // when, elsewhere: the second factor does not make it newer; zero: when both are
	Password []byte    `json:"password"` // digest of its hash: a new password ends sign-ins by the old one
}

// askSecondFactor asks who has proven a first factor for the second.
func (s *Server) askSecondFactor(r *request, in sessions.SignIn, next string) (answer, error) {
	sealed, err := s.sealed.Seal(secondForm, pendingSignIn{
		User: in.User.ID, Provider: in.ProviderUID, AMR: in.AMR, At: r.now, Proven: in.At, Password: s.passwordMark(in.User),
	})
	if err != nil {
		return nil, err
	}
	return s.secondPage(r, http.StatusOK, in.User, pages.SecondFactorPage{Email: in.User.Email, Next: next, SignIn: sealed})
}

func (s *Server) passwordMark(u store.User) []byte {
	sum := s.Keyring.LookupKey().Digest([]byte("password of a sign-in " + u.PasswordHash))
	return sum[:]
}

// secondPage draws the page, with what this person has to prove themselves with. Its forms
// are bound to the browser that proved the first factor.
func (s *Server) secondPage(r *request, status int, u store.User, p pages.SecondFactorPage) (answer, error) {
	all, err := s.Store.Factors(r.Context(), u.ID)
	if err != nil {
		return nil, fmt.Errorf("find factors: %w", err)
	}
	form, cookie := s.sessions.VisitorForm(r.Request)
	p.Token = form.Token(secondForm, p.SignIn)
	p.App = slices.ContainsFunc(all, func(f store.Factor) bool { return f.Kind == store.FactorTOTP })
	if p.Key, err = s.offerKey(r, form, p.SignIn, all); err != nil {
		return nil, err
	}
	a := page{status: status, scripted: p.Key.Offered()}
	if req := s.waiting(r, p.Next); req != nil {
		p.Brand = brandFor(req)
		p.Application, a.leadsTo = cmp.Or(req.Application.DisplayName, req.Application.ClientID), []string{req.Target()}
	}
	a.html = pages.SecondFactor(p)
	if cookie != nil {
		a.cookies = append(a.cookies, cookie)
	}
	return a, nil
}

// backToLogin answers who comes to the second page by its address: there is nothing of it
// but in the answer to a first factor.
func backToLogin(*request) (answer, error) { return redirect{to: loginPath}, nil }

// secondFactor takes the code, and begins the session.
func (s *Server) secondFactor(r *request) (answer, error) {
	form, _ := s.sessions.VisitorForm(r.Request)
	sealed, next := r.form.Get("signin"), ownPath(r.form.Get("next"))
	if !form.Made(r.form.Get("token"), secondForm, sealed) {
		return nil, staleForm()
	}
	in, err := s.pending(r, sealed)
	if err != nil {
		return nil, err
	}
	if in == nil {
		return s.loginPage(r, http.StatusForbidden, pages.LoginPage{Next: next, Problem: tookTooLong}, nil), nil
	}
	verdict, err := s.proveSecond(r, in.User, atMost(r.form.Get("code"), codeInput))
	if err != nil {
		return nil, err
	}
	if verdict.problem != "" {
		p := pages.SecondFactorPage{Email: in.User.Email, Next: next, SignIn: sealed, Problem: verdict.problem}
		a, err := s.secondPage(r, verdict.status, in.User, p)
		return retryLater(a, verdict.wait), err
	}
	in.AMR = withCode(in.AMR)
	return s.finish(r, *in, next)
}

// withCode is what is proven with a code on top of what was proven before. A recovery code
// is a one-time password too (RFC 8176 section 2).
func withCode(amr []string) []string { return with(amr, oauth.AMROneTime, oauth.AMRMulti) }

func with(amr []string, methods ...string) []string {
	for _, method := range methods {
		if !slices.Contains(amr, method) {
			amr = append(slices.Clone(amr), method)
		}
	}
	return amr
}

// pending reads a sign-in under way; nil: it is too old, or what it rests on is no longer so:
// the account, its password, its factor, the provider.
func (s *Server) pending(r *request, sealed string) (*sessions.SignIn, error) {
	var p pendingSignIn
	if !s.sealed.Open(secondForm, sealed, &p) || r.now.Sub(p.At) >= pendingFor || !r.stillServed(p.Provider, p.At) {
		return nil, nil
	}
	u, err := s.Store.User(r.Context(), p.User)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find who signs in: %w", err)
	}
	if u.Disabled || !u.SecondFactor || !slices.Equal(p.Password, s.passwordMark(u)) || !r.knownBy(&u, p.Provider) {
		return nil, nil
	}
	return &sessions.SignIn{User: u, ProviderUID: p.Provider, AMR: p.AMR, At: p.Proven}, nil
}

// knownBy reports whether somebody signs in by a provider: with an identity of it, or a
// password.
func (r *request) knownBy(u *store.User, providerUID string) bool {
	p := r.Provider(providerUID)
	return p != nil && p.Local != nil || slices.ContainsFunc(u.Identities, func(i store.Identity) bool { return i.ProviderUID == providerUID })
}

// stillServed reports whether a provider is one that people sign in by, and was all the time
// since then.
func (r *request) stillServed(uid string, since time.Time) bool {
	p := r.Provider(uid)
	return p != nil && !p.Suspended && r.Alive(uid, since)
}

const tookTooLong = "This sign-in took too long. Start again."

const wrongCode = "This code does not fit, or was used before. Wait for the next one that the app shows, and check the clock of the device."

// proveSecond uses up the code. Every try is counted, and each that fails is in the audit
// log.
func (s *Server) proveSecond(r *request, u store.User, typed string) (verdict, error) {
	ctx := context.WithoutCancel(r.Context()) // nobody guesses unseen by leaving before the verdict
	recovery := s.factors.HashRecoveryCode(u.ID, typed)
	var wait time.Duration
	var err error
	if recovery != nil {
		wait = s.factorTries.TryRecovery(r.now, limits.Source(r.ip))
	} else {
		wait, err = s.tryAppCode(ctx, r, u)
	}
	if err != nil {
		return verdict{}, fmt.Errorf("count code: %w", err)
	}
	if wait > 0 {
		return verdict{"There were too many attempts. Try again in " + inWords(wait) + ".", http.StatusTooManyRequests, wait}, nil
	}
	var why string
	if recovery != nil {
		why, err = s.useRecoveryCode(ctx, r, u, recovery)
	} else {
		why, err = s.useCode(ctx, r, u, factors.Typed(typed))
	}
	if err != nil {
		return verdict{}, err
	}
	if why == "" {
		if recovery != nil {
			s.notify(r, u, recoveryCodeUsedLetter)
		}
		return verdict{}, s.lockouts.Forget(ctx, wrongCodes(u.ID))
	}
	if err := s.wrongSecondFactor(ctx, r, u); err != nil {
		return verdict{}, err
	}
	err = s.Store.Record(ctx, s.refusedSignIn(r, &people.Refusal{UserID: u.ID, Why: why}))
	if err != nil {
		return verdict{}, fmt.Errorf("record refused second factor: %w", err)
	}
	return verdict{wrongCode, http.StatusForbidden, 0}, nil
}

// useRecoveryCode says why the code proves nothing; empty: it does, and is used up.
func (s *Server) useRecoveryCode(ctx context.Context, r *request, u store.User, hash []byte) (why string, err error) {
	err = s.Store.UseRecoveryCode(ctx, u.ID, hash, s.usedSecond(r, u, "recovery-code.used", u.ID))
	if errors.Is(err, store.ErrConflict) {
		return "wrong recovery code", nil
	}
	if err != nil {
		return "", fmt.Errorf("use recovery code: %w", err)
	}
	return "", nil
}

// useCode is useRecoveryCode for the code of an app, of whichever the person has.
func (s *Server) useCode(ctx context.Context, r *request, u store.User, code string) (why string, err error) {
	all, err := s.Store.Factors(ctx, u.ID)
	if err != nil {
		return "", fmt.Errorf("find factors: %w", err)
	}
	why = "wrong code of an app"
	for _, f := range all {
		if f.Kind != store.FactorTOTP {
			continue
		}
		secret, err := s.factors.Open(u.ID, f.ID, f.Secret)
		if err != nil {
			return "", fmt.Errorf("read factor %s: %w", f.ID, err)
		}
		step, fits := secret.Verify(code, r.now)
		if !fits {
			continue
		}
		err = s.Store.UseStep(ctx, u.ID, f.ID, step, s.usedSecond(r, u, "factor.used", f.ID))
		if err == nil {
			return "", nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return "", fmt.Errorf("use code: %w", err)
		}
		why = "code of an app was used before"
	}
	return why, nil
}

func (s *Server) usedSecond(r *request, u store.User, action, target string) store.Event {
	return store.Event{Time: r.now, Actor: u.ID, Action: action, Target: target, IP: r.ip.String(), RequestID: r.id, Outcome: "ok"}
}
