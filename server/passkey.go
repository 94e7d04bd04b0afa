package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/limits"
	"github.com/gatehouse-dev/gatehouse/server/pages"
	"github.com/gatehouse-dev/gatehouse/server/passkeys"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// offerPasskey is the form that signs in with a passkey, of the browser of a visitor. It names
// nobody: whoever looks at it learns nothing about any account (ASVS 6.3.8).
func (s *Server) offerPasskey(r *request, form sessions.Form) pages.KeyForm {
	if !s.site.Usable() || localProvider(r.Snapshot) == nil {
		return pages.KeyForm{}
	}
	challenge, sealed, err := s.newCeremony(r, passkeySignIn, "")
	if err != nil {
		s.Log.Error("offer sign-in with a passkey", "error", err, "request_id", r.id) // the page goes on without
		return pages.KeyForm{}
	}
	return keyForm(s.site.PasskeyOptions(challenge), sealed, form.Token(passkeySignIn, sealed))
}

// passkey signs in with a passkey alone: it is there, and has asked who it is. That is by the
// local way to sign in, whoever declared others.
func (s *Server) passkey(r *request) (answer, error) {
	next := ownPath(r.form.Get("next"))
	local := localProvider(r.Snapshot)
	if local == nil || !s.site.Usable() {
		return s.loginPage(r, 0, pages.LoginPage{Next: next}, nil), nil
	}
	form, _ := s.sessions.VisitorForm(r.Request)
	sealed := r.form.Get("ceremony")
	if !form.Made(r.form.Get("token"), passkeySignIn, sealed) {
		return nil, staleForm()
	}
	c := s.openCeremony(r, passkeySignIn, "", sealed)
	if c == nil {
		return s.loginPage(r, http.StatusForbidden, pages.LoginPage{Next: next, Problem: keyTooSlow}, nil), nil
	}
	if wait := s.factorTries.TryRecovery(r.now, limits.Source(r.ip)); wait > 0 {
		p := pages.LoginPage{Next: next, Problem: "There were too many attempts. Try again in " + inWords(wait) + "."}
		return retryLater(s.loginPage(r, http.StatusTooManyRequests, p, nil), wait), nil
	}
	u, key, why, err := s.provePasskey(r, c, r.form.Get("credential"))
	if err != nil {
		return nil, err
	}
	if why != "" {
		if err := s.Store.Record(context.WithoutCancel(r.Context()), s.refusedSignIn(r, &people.Refusal{UserID: u.ID, Why: why})); err != nil {
			return nil, fmt.Errorf("record refused passkey: %w", err)
		}
		return s.loginPage(r, http.StatusForbidden, pages.LoginPage{Next: next, Problem: keyRefused}, nil), nil
	}
	return s.finish(r, sessions.SignIn{
		User: u, ProviderUID: local.UID, AMR: []string{possession(key.Key), oauth.AMRUser, oauth.AMRMulti},
	}, next)
}

// provePasskey finds out whose passkey has answered. why says why that proves nothing; empty:
// it does. The person is known then only if the key is.
func (s *Server) provePasskey(r *request, c *ceremony, answered string) (u store.User, f store.Factor, why string, err error) {
	ctx := context.WithoutCancel(r.Context()) // nobody tries unseen by leaving before the verdict
	refused := (*passkeys.Refusal)(nil)
	a, err := passkeys.ReadAssertion(answered)
	if errors.As(err, &refused) {
		return u, f, "passkey: " + refused.Why, nil
	}
	if err != nil {
		return u, f, "", err
	}
	f, err = s.Store.FactorByCredential(ctx, a.CredentialID)
	if errors.Is(err, store.ErrNotFound) {
		return u, f, "unknown passkey", nil
	}
	if err != nil {
		return u, f, "", fmt.Errorf("find passkey: %w", err)
	}
	u, err = s.Store.User(ctx, f.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return u, f, "unknown passkey", nil
	}
	if err != nil {
		return u, f, "", fmt.Errorf("find who has the passkey: %w", err)
	}
	use, err := s.site.Verify(a, c.Challenge, credential(f), true)
	switch {
	case errors.As(err, &refused):
		return u, f, "passkey: " + refused.Why, nil
	case err != nil:
		return u, f, "", err
	case string(a.UserHandle) != f.Key.UserHandle || f.Key.UserHandle != u.ID: // section 7.2 step 6
		return u, f, "passkey: it is of another account", nil
	case u.Disabled:
		return u, f, "account disabled", nil
	case !f.Key.BlockedAt.IsZero():
		return u, f, "passkey is blocked: it may have been copied", nil
	case !asksWhoItIs(f):
		return u, f, "key did not ask who it is when it was added", nil
	case !signsInAlone(u, f):
		return u, f, "passkey of somebody who signs in by another provider", nil
	}
	why, err = s.useKey(ctx, r, u, f, c, use)
	return u, f, why, err
}
