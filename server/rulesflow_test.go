package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func required(t *testing.T, w *servertest.World, grace time.Duration) {
	t.Helper()
	rules(w).SecondFactor = model.SecondFactorRule{Required: true, GracePeriod: grace}
	w.Publish(t)
}

func errorOf(t *testing.T, a servertest.Answer) string {
	t.Helper()
	return a.Location(t).Query().Get("error")
}

func says(t *testing.T, a servertest.Answer, status int, words ...string) {
	t.Helper()
	for _, w := range words {
		if a.Status != status || !strings.Contains(string(a.Body), w) {
			t.Errorf("%d, want %d and %q: %s", a.Status, status, w, a.Body)
		}
	}
}

// Somebody without a factor is told, may go on for a while, and then may not: neither by
// asking again, nor by the rule coming anew, nor by an application that does not ask them.
func TestWhoHasNoSecondFactorHasTheGracePeriodOnce(t *testing.T) {
	w := ruled(t)
	b := w.SignedIn(t, servertest.Ann)
	required(t, w, time.Hour)
	if got := errorOf(t, b.Authorize(t, web, "prompt", "none")); got != "interaction_required" {
		t.Errorf("nobody told them yet, and prompt=none says %q", got)
	}
	page := b.Authorize(t, web)
	says(t, page, http.StatusOK, "Add a second factor", "until 1 March 2026, 13:00 UTC", "Not now", `href="/account/factors/"`)
	_, rest, _ := strings.Cut(string(page.Body), `href="/oauth/authorize/?`)
	query, _, _ := strings.Cut(rest, `"`)
	if !given(t, b.Visit(t, "/oauth/authorize/?"+strings.ReplaceAll(query, "&amp;", "&"))) {
		t.Error("not now, and nothing is given")
	}
	w.Pass(59 * time.Minute)
	if !given(t, b.Authorize(t, web, "prompt", "none")) {
		t.Error("within the time")
	}
	rules(w).SecondFactor.Required = false
	w.Publish(t)
	required(t, w, time.Hour)
	w.Pass(time.Minute)
	says(t, b.Authorize(t, web), http.StatusForbidden, "Add a second factor", "asks everybody")
	if got := errorOf(t, b.Authorize(t, web, "prompt", "none")); got != "interaction_required" {
		t.Errorf("after the time prompt=none says %q", got)
	}
}

// A grant from before the rule starts the time by itself: who never sees a page of ours must
// not have it for ever.
func TestARefreshStartsTheGracePeriod(t *testing.T) {
	w := ruled(t)
	token := w.Redeem(t, web, w.SignedIn(t, servertest.Ann).Code(t, web, "scope", "openid offline_access org:read")).Text("refresh_token")
	required(t, w, time.Hour)
	a := w.Refresh(t, web, token)
	if a.Status != http.StatusOK {
		t.Fatalf("within the time: %d %s", a.Status, a.Body)
	}
	access := a.Text("access_token")
	w.Pass(time.Hour)
	if again := w.Refresh(t, web, a.Text("refresh_token")); again.Text("error") != "invalid_grant" {
		t.Errorf("after the time: %d %s", again.Status, again.Body)
	}
	if w.Introspect(t, machine, access).JSON()["active"] == true {
		t.Error("a token from within the time is active after it")
	}
}

// Who has a factor signs in with it at once; there is no time to do without.
func TestThereIsNoGraceForWhoHasASecondFactor(t *testing.T) {
	w := ruled(t)
	b := w.SignedIn(t, servertest.Ann)
	enrolled(t, w)
	required(t, w, time.Hour)
	if to := b.Authorize(t, web).Location(t); to.Path != "/login/" || !to.Query().Has("again") {
		t.Errorf("sent to %s", to)
	}
	if got := errorOf(t, b.Authorize(t, web, "prompt", "none")); got != "login_required" {
		t.Errorf("prompt=none says %q", got)
	}
}

func TestWhoDoesNotBelongThereIsNotToldToAddAFactor(t *testing.T) {
	w := ruled(t)
	w.Declared.Holdings["acme"][servertest.Ann.Email] = nil
	b := w.SignedIn(t, servertest.Ann)
	required(t, w, time.Hour)
	says(t, b.Authorize(t, web), http.StatusOK, "not a member of Acme")
	if at, err := w.Store.ToldOfSecondFactor(t.Context(), servertest.Ann.ID, "acme"); err != nil || !at.IsZero() {
		t.Errorf("told at %v, %v", at, err)
	}
}

// ASVS 6.8.4: a second factor that was proven elsewhere counts where it is declared to, and
// nowhere else, whatever organization the same session is used for.
func TestASecondFactorElsewhereCountsOnlyWhereItIsDeclared(t *testing.T) {
	for _, c := range []struct {
		amr     []string
		trusted bool
		want    bool
		acr     string
	}{
		{[]string{"elsewhere:pwd", "elsewhere:mfa"}, true, true, "2"},
		{[]string{"elsewhere:pwd", "elsewhere:mfa"}, false, false, ""},
		{[]string{"elsewhere:pwd"}, true, false, ""},
	} {
		w := ruled(t)
		b := w.Browser()
		b.SignInBy(t, servertest.Ann, okta, c.amr...)
		rules(w).SecondFactor = model.SecondFactorRule{Required: true, ProviderAMR: c.trusted}
		w.Publish(t)
		a := b.Authorize(t, web, "scope", "openid")
		if got := given(t, a); got != c.want {
			t.Errorf("%v trusted %v: got in %v", c.amr, c.trusted, got)
		}
		if c.want {
			got := w.Redeem(t, web, a.Location(t).Query().Get("code"))
			told := claims(t, w, got.Text("id_token"))
			if told["acr"] != c.acr || !slices.Contains(told["amr"].([]any), any("mfa")) {
				t.Errorf("the ID token tells acr %v, amr %v", told["acr"], told["amr"])
			}
		}
	}
}

// In an emergency a password counts for who is named, with a second factor, and the audit log
// says so; for nobody else, and for nobody by one factor.
func TestInAnEmergencyWhoIsNamedGetsInWithASecondFactor(t *testing.T) {
	for name, c := range map[string]struct {
		user string
		amr  []string
		want bool
	}{
		"named, by both":       {"ann@example.com", []string{"pwd", "otp", "mfa"}, true},
		"named, by a password": {"ann@example.com", []string{"pwd"}, false},
		"another is named":     {"bob@example.com", []string{"pwd", "otp", "mfa"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := ruled(t)
			*rules(w) = model.LoginRules{EnforceSSO: true, SSOMaxAge: time.Hour, BreakGlass: []string{c.user}}
			acme := w.Declared.Organizations["acme"]
			acme.Providers = slices.DeleteFunc(acme.Providers, func(p *model.Provider) bool { return p.UID != okta }) // passwords are not even listed
			w.Publish(t)
			b := w.Browser()
			b.SignInBy(t, servertest.Ann, w.Declared.Local.UID, c.amr...)
			if got := given(t, b.Authorize(t, web)); got != c.want {
				t.Errorf("got in: %v, want %v", got, c.want)
			}
			if said := reasonsOf(t, w, "authorization.approved"); c.want != slices.Contains(said, "break-glass") {
				t.Errorf("the audit log says %q", said)
			}
			// Without the rule that makes it an emergency the name opens nothing.
			rules(w).EnforceSSO = false
			w.Publish(t)
			if given(t, b.Authorize(t, web)) {
				t.Error("a password counts that is not listed")
			}
		})
	}
}

// ASVS 7.3.1: to use a session that nobody used by another page is no way round; to sign in
// again is.
func TestAnUnusedSessionDoesNotCountAgainByUsingIt(t *testing.T) {
	w := ruled(t)
	b := w.SignedIn(t, servertest.Ann)
	rules(w).Session.Idle = 10 * time.Minute
	w.Publish(t)
	token := w.Redeem(t, web, b.Code(t, web, "scope", "openid org:read")).Text("refresh_token")
	for range 3 {
		w.Pass(9 * time.Minute)
		if !given(t, b.Authorize(t, web)) {
			t.Fatal("a session in use does not count")
		}
	}
	w.Pass(10 * time.Minute)
	if a := b.Visit(t, "/account/"); a.Status != http.StatusOK {
		t.Fatalf("the account: %d", a.Status)
	}
	w.Pass(time.Minute)
	if got := errorOf(t, b.Authorize(t, web, "prompt", "none")); got != "login_required" {
		t.Errorf("prompt=none says %q", got)
	}
	if to := b.Authorize(t, web).Location(t); to.Path != "/login/" {
		t.Errorf("sent to %s", to)
	}
	if token != "" && w.Refresh(t, web, token).Status == http.StatusOK {
		t.Error("what is bound to it is refreshed")
	}
	b.SignIn(t, servertest.Ann)
	if !given(t, b.Authorize(t, web)) {
		t.Error("after a new sign-in it does not count")
	}
}

// Of several sign-ins of one session the one that counts is written down, wherever the
// application asks how old it is.
func TestTheSignInThatCountsIsTheOneThatIsTold(t *testing.T) {
	w := ruled(t)
	b := w.Browser()
	b.SignInBy(t, servertest.Ann, okta)
	first := w.Now()
	w.Pass(time.Hour)
	b.SignIn(t, servertest.Ann)
	rules(w).EnforceSSO = true
	w.Publish(t)
	code := b.Code(t, web, "scope", "openid")
	if at := claims(t, w, w.Redeem(t, web, code).Text("id_token"))["auth_time"]; at != float64(first.Unix()) {
		t.Errorf("auth_time is %v, want %v", at, first.Unix())
	}
	if got := errorOf(t, b.Authorize(t, web, "prompt", "none", "max_age", "600")); got != "login_required" {
		t.Errorf("the newest sign-in, which does not count, is taken for a fresh one: %q", got)
	}
	if to := b.Authorize(t, web, "max_age", "600").Location(t); to.Path != "/login/" {
		t.Errorf("sent to %s", to)
	}
}

// What people are told names the ways that count.
func TestARefusalSaysHowToSignIn(t *testing.T) {
	w := ruled(t)
	b := w.SignedIn(t, servertest.Ann)
	rules(w).EnforceSSO = true
	w.Publish(t)
	a := b.Authorize(t, web)
	says(t, a, http.StatusForbidden, "Sign in another way", "It accepts: Okta.", `href="/login/?again=1&amp;next=`)
	if strings.Contains(string(a.Body), "Password") {
		t.Error("a way is offered that does not count")
	}
}

func reasonsOf(t *testing.T, w *servertest.World, action string) (reasons []string) {
	t.Helper()
	all, err := w.Store.Events(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Action == action {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// ASVS 7.3.1: who signs in by another way does not make up for the time in which nobody used
// the sign-in that counts: the way from a password that is kept here, and may be stolen, into
// an organization that accepts none.
func TestAnotherSignInDoesNotMakeUpForAnIdleOne(t *testing.T) {
	w := ruled(t)
	rules(w).EnforceSSO, rules(w).Session.Idle = true, 15*time.Minute
	w.Publish(t)
	b := w.Browser()
	b.SignInBy(t, servertest.Ann, okta)
	token := w.Redeem(t, web, b.Code(t, web)).Text("refresh_token")
	w.Pass(20 * time.Minute)
	b.SignInBy(t, servertest.Ann, w.Declared.Local.UID, "pwd")
	if given(t, b.Authorize(t, web)) {
		t.Error("the idle sign-in counts again")
	}
	if a := w.Refresh(t, web, token); a.Status == http.StatusOK {
		t.Error("what was given by the idle sign-in is renewed")
	}
	b.SignInBy(t, servertest.Ann, okta)
	if !given(t, b.Authorize(t, web)) {
		t.Error("a new sign-in there does not count")
	}
}
