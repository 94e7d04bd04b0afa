package server

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// asksAgain is an ssoTown in which somebody is signed in by Acme's provider, which can be
// asked again.
func asksAgain(t *testing.T) (*ssoTown, *tab) {
	t.Helper()
	w := newSSOTown(t)
	w.acme.knows("code", "eve", "eve@example.com")
	proof := w.acme.says["code"]
	proof.Claims["groups"], proof.Renewal = []any{"staff"}, []byte("refresh-token-of-eve")
	w.acme.says["code"] = proof
	b := w.open()
	b.by(t, "acme-sso", "code", "acme")
	return w, b
}

// drained asks whatever waits to be asked.
func (w *ssoTown) drained(t *testing.T) {
	t.Helper()
	for {
		select {
		case one := <-w.rechecks.queue:
			w.recheck(t.Context(), one)
		default:
			return
		}
	}
}

func TestAProviderIsAskedAgainOnceInAWhileAndNotWhileARequestWaits(t *testing.T) {
	w, b := asksAgain(t)
	w.acme.recheck = func() (upstream.Proof, error) { return w.acme.says["code"], nil }
	for range 3 {
		b.get("/account/")
	}
	w.drained(t)
	if w.acme.asked != 0 {
		t.Errorf("asked %d times within the hour", w.acme.asked)
	}
	w.pass(recheckEvery)
	b.get("/account/")
	if w.acme.asked != 0 {
		t.Error("asked while the request waits")
	}
	w.drained(t)
	b.get("/account/")
	w.drained(t)
	if w.acme.asked != 1 {
		t.Errorf("asked %d times after an hour, want once", w.acme.asked)
	}
	u, err := w.Store.User(t.Context(), w.who(t, b))
	if err != nil || !u.Identities[0].CheckedAt.Equal(w.Now()) || u.Identities[0].LastUsedAt.Equal(w.Now()) {
		t.Errorf("kept %+v (%v)", u.Identities, err)
	}
}

func TestWhomTheProviderForgotIsSignedOut(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says upstream.Proof
		out  bool
	}{
		"gone": {err: upstream.ErrGone, out: true}, "out of reach": {err: upstream.ErrUnavailable}, "refused": {err: upstream.ErrRefused},
		"not let in any more": {says: upstream.Proof{Claims: map[string]any{"sub": "eve", "stranger": true}}, out: true},
		"somebody else":       {says: upstream.Proof{Claims: map[string]any{"sub": "mallory", "groups": []any{"admins"}}}},
		"another group":       {says: upstream.Proof{Claims: map[string]any{"sub": "eve", "groups": []any{"guests"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := asksAgain(t)
			eve := w.who(t, b)
			w.acme.recheck = func() (upstream.Proof, error) { return c.says, c.err }
			w.pass(recheckEvery)
			b.get("/account/")
			w.drained(t)
			if out := w.who(t, b) == ""; out != c.out {
				t.Errorf("signed out: %v", out)
			}
			u, err := w.Store.User(t.Context(), eve)
			if err != nil {
				t.Fatal(err)
			}
			groups, member := u.Identities[0].Groups, len(u.Memberships) == 1
			wanted := map[bool]int{true: 0, false: 1}[c.out]
			if len(groups) != wanted || member == c.out || name == "another group" && groups[0] != "guests" || name == "somebody else" && groups[0] != "staff" {
				t.Errorf("groups %q, a member: %v", groups, member)
			}
		})
	}
}

// What a provider is asked with is a secret, sealed for its identity, and the newest counts.
func TestWhatAProviderIsAskedWithIsSealed(t *testing.T) {
	w, b := asksAgain(t)
	sealed, err := w.Store.Renewal(t.Context(), "acme-sso", "eve")
	if err != nil || len(sealed) == 0 || bytes.Contains(sealed, []byte("refresh-token")) {
		t.Fatalf("kept %q (%v)", sealed, err)
	}
	var got []byte
	if w.sealed.Open(renewalPurpose("works", "eve"), string(sealed), &got) || !w.sealed.Open(renewalPurpose("acme-sso", "eve"), string(sealed), &got) || string(got) != "refresh-token-of-eve" {
		t.Errorf("opened %q", got)
	}
	w.acme.recheck = func() (upstream.Proof, error) {
		return upstream.Proof{Renewal: []byte("the-next-one")}, upstream.ErrUnavailable
	}
	w.pass(recheckEvery)
	b.get("/account/")
	w.drained(t)
	u, err := w.Store.User(t.Context(), w.who(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.openRenewal(t.Context(), u.Identities[0]); err != nil || string(got) != "the-next-one" {
		t.Errorf("it is asked with %q (%v)", got, err)
	}
}

func TestAProviderThatHangsKeepsNothingUp(t *testing.T) {
	w, b := asksAgain(t)
	w.pass(recheckEvery)
	for range 2 * rechecksWaiting {
		w.rechecks.want(w.Now(), recheck{"usr_" + w.Now().String(), "acme-sso"})
		w.pass(time.Nanosecond)
	}
	if answer := b.get("/account/"); answer.Code != http.StatusOK {
		t.Errorf("with a full queue: %d", answer.Code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() { w.rechecks.run(ctx); close(done) }()
	select {
	case <-done:
	case <-t.Context().Done():
		t.Error("it does not end")
	}
}

// The grant that a provider's sign-in gave ends with it.
func TestAForgottenPersonsGrantsEnd(t *testing.T) {
	w, b := asksAgain(t)
	w.org.Providers = []*model.Provider{w.acme.of}
	w.roles["eve@example.com"] = w.roles["ann@example.com"]
	w.publish(t)
	code := w.ask(t, "org:read")
	form := fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
	form.Set("decision", "approve")
	wantTo(t, "approved", b.post("/oauth/device/", form), "/oauth/device/?result=approved")
	w.acme.recheck = func() (upstream.Proof, error) { return upstream.Proof{}, upstream.ErrGone }
	w.pass(5 * time.Minute)
	u, err := w.Store.User(t.Context(), w.who(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.lose(t.Context(), w.Now(), w.acme.of, u.Identities[0], "gone"); err != nil {
		t.Fatal(err)
	}
	if row := w.state(t, code); row.State != "denied" {
		t.Errorf("the approval is %s", row.State)
	}
}

func TestWhoWasRemovedIsAMemberAgainBySigningInAlone(t *testing.T) {
	w, b := asksAgain(t)
	w.acme.of.Provisioning.Mode = model.ProvisionJIT
	w.publish(t)
	w.acme.recheck = func() (upstream.Proof, error) { return w.acme.says["code"], nil }
	memberships := func() int { return len(w.user(t, w.who(t, b)).Memberships) }
	if memberships() != 1 {
		t.Fatalf("%d memberships by a sign-in", memberships())
	}
	ev := store.Event{Time: w.Now(), Actor: "operator", Action: "member.removed"}
	if err := w.Store.RemoveMember(t.Context(), w.who(t, b), "org-1", ev); err != nil {
		t.Fatal(err)
	}
	w.pass(recheckEvery)
	b.get("/account/")
	w.drained(t)
	if w.acme.asked != 1 || memberships() != 0 {
		t.Errorf("asked again %d times, which gives %d memberships", w.acme.asked, memberships())
	}
	b.by(t, "acme-sso", "code", "acme")
	if memberships() != 1 {
		t.Errorf("%d memberships by another sign-in", memberships())
	}
}
