package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// offerKey is the form that takes one of these keys as the second factor of a sign-in under
// way.
func (s *Server) offerKey(r *request, form sessions.Form, signIn string, all []store.Factor) (pages.KeyForm, error) {
	keys := keysOf(all)
	if len(keys) == 0 || !s.site.Usable() {
		return pages.KeyForm{}, nil
	}
	challenge, sealed, err := s.newCeremony(r, keyAsSecond, signIn)
	if err != nil {
		return pages.KeyForm{}, err
	}
	return keyForm(s.site.SecondOptions(challenge, keys), sealed, form.Token(keyAsSecond, signIn, sealed)), nil
}

// secondKey takes a key as the second factor, and begins the session.
func (s *Server) secondKey(r *request) (answer, error) {
	form, _ := s.sessions.VisitorForm(r.Request)
	signIn, sealed, next := r.form.Get("signin"), r.form.Get("ceremony"), ownPath(r.form.Get("next"))
	if !form.Made(r.form.Get("token"), keyAsSecond, signIn, sealed) {
		return nil, staleForm()
	}
	in, err := s.pending(r, signIn)
	if err != nil {
		return nil, err
	}
	if in == nil {
		return s.loginPage(r, http.StatusForbidden, pages.LoginPage{Next: next, Problem: tookTooLong}, nil), nil
	}
	again := pages.SecondFactorPage{Email: in.User.Email, Next: next, SignIn: signIn, Problem: keyTooSlow}
	c := s.openCeremony(r, keyAsSecond, signIn, sealed)
	if c == nil {
		return s.secondPage(r, http.StatusForbidden, in.User, again)
	}
	key, verdict, err := s.proveKey(r, in.User, c, r.form.Get("credential"))
	if err != nil {
		return nil, err
	}
	if verdict.problem != "" {
		again.Problem = verdict.problem
		a, err := s.secondPage(r, verdict.status, in.User, again)
		return retryLater(a, verdict.wait), err
	}
	in.AMR = with(in.AMR, possession(key), oauth.AMRMulti)
	return s.finish(r, *in, next)
}

// proveKey uses a key of this person. Nobody guesses what a key answers, so tries are counted
// for the source alone, as those of recovery codes are: who has the password does not hold up
// the owner of the key. Each that fails is in the audit log.
func (s *Server) proveKey(r *request, u store.User, c *ceremony, answered string) (store.Key, verdict, error) {
	if wait := s.factorTries.TryRecovery(r.now, limits.Source(r.ip)); wait > 0 {
		return store.Key{}, verdict{"There were too many attempts. Try again in " + inWords(wait) + ".", http.StatusTooManyRequests, wait}, nil
	}
	ctx := context.WithoutCancel(r.Context()) // nobody tries unseen by leaving before the verdict
	key, why, err := s.useKeyOf(ctx, r, u, c, answered)
	if err != nil || why == "" {
		return key, verdict{}, err
	}
	if err := s.Store.Record(ctx, s.refusedSignIn(r, &people.Refusal{UserID: u.ID, Why: why})); err != nil {
		return store.Key{}, verdict{}, fmt.Errorf("record refused second factor: %w", err)
	}
	return store.Key{}, verdict{keyRefused, http.StatusForbidden, 0}, nil
}

// useKeyOf says why the answer proves nothing; empty: it does, and is used up.
func (s *Server) useKeyOf(ctx context.Context, r *request, u store.User, c *ceremony, answered string) (key store.Key, why string, err error) {
	refused := (*passkeys.Refusal)(nil)
	a, err := passkeys.ReadAssertion(answered)
	if errors.As(err, &refused) {
		return key, "key: " + refused.Why, nil
	}
	if err != nil {
		return key, "", err
	}
	all, err := s.Store.Factors(ctx, u.ID)
	if err != nil {
		return key, "", fmt.Errorf("find factors: %w", err)
	}
	i := slices.IndexFunc(all, func(f store.Factor) bool {
		return f.Kind == store.FactorKey && bytes.Equal(f.Key.CredentialID, a.CredentialID)
	})
	if i < 0 {
		return key, "key of nobody, or of somebody else", nil
	}
	f := all[i]
	use, err := s.site.Verify(a, c.Challenge, credential(f), false)
	switch {
	case errors.As(err, &refused):
		return key, "key: " + refused.Why, nil
	case err != nil:
		return key, "", err
	case len(a.UserHandle) > 0 && string(a.UserHandle) != f.Key.UserHandle: // section 7.2 step 6
		return key, "key: it is of another account", nil
	case !f.Key.BlockedAt.IsZero():
		return key, "key is blocked: it may have been copied", nil
	}
	why, err = s.useKey(ctx, r, u, f, c, use)
	return f.Key, why, err
}
