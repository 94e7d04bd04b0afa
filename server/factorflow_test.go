package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const annsPassword = "tractor-violin-otter-91"

// enrolled gives Ann a password and an app.
func enrolled(t *testing.T, w *servertest.World) factors.Secret {
	t.Helper()
	leaks.Remember(annsPassword)
	vault, err := factors.NewVault(w.Keys)
	if err != nil {
		t.Fatal(err)
	}
	secret, id := factors.NewSecret(), factors.NewID()
	leaks.Remember(secret.Text(), strings.ReplaceAll(secret.Groups(), " ", ""))
	kept, err := vault.Seal(servertest.Ann.ID, id, secret)
	if err != nil {
		t.Fatal(err)
	}
	ev := store.Event{Time: w.Now(), Action: "test"}
	if err := w.Store.SetPassword(t.Context(), servertest.Ann.ID, servertest.Ann.PasswordHash, people.Hash(annsPassword), ev); err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.AddFactor(t.Context(), store.NewFactor{Factor: store.Factor{
		ID: id, UserID: servertest.Ann.ID, Kind: store.FactorTOTP, Name: "Phone", Secret: kept, CreatedAt: w.Now(), LastUsedAt: w.Now(),
	}}, ev)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// signInByBoth signs Ann in over both pages, and returns what the second one leads to.
func signInByBoth(t *testing.T, b *servertest.Browser, login servertest.Answer, secret factors.Secret) servertest.Answer {
	t.Helper()
	form := login.Form(t, "/login/")
	form.Set("email", servertest.Ann.Email)
	form.Set("password", annsPassword)
	second := b.Send(t, http.MethodPost, "/login/", form)
	if second.Status != http.StatusOK || !strings.Contains(string(second.Body), "One more step") {
		t.Fatalf("the password alone: %d to %s", second.Status, second.Header.Get("Location"))
	}
	code := second.Form(t, "/login/code/")
	code.Set("code", secret.Code(factors.StepAt(b.Now())))
	return b.Send(t, http.MethodPost, "/login/code/", code)
}

// Wherever a sign-in is asked for, it is one by both: whoever comes for the first time, and
// whoever has to be fresh. The form of the second page may lead to the application.
func TestAFactorIsAskedForWhereverASignInIs(t *testing.T) {
	for name, pairs := range map[string][]string{
		"nobody signed in": nil, "prompt=login": {"prompt", "login"}, "max_age=60": {"max_age", "60"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			b := w.Browser()
			if pairs != nil {
				b.SignIn(t, servertest.Ann) // by the password alone, before she had an app
			}
			secret := enrolled(t, w)
			w.Pass(2 * time.Minute)
			to := b.Authorize(t, web, append(pairs, "scope", "openid offline_access")...).Location(t)
			if to.Path != "/login/" {
				t.Fatalf("sent to %s", to)
			}
			back := to.Query().Get("next")
			login := b.Visit(t, to.String())
			form := login.Form(t, "/login/")
			form.Set("email", servertest.Ann.Email)
			form.Set("password", annsPassword)
			second := b.Send(t, http.MethodPost, "/login/", form)
			if policy := second.Header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' https:") {
				t.Errorf("the form may not lead to the application: %s", policy)
			}
			if a := b.Visit(t, back); a.Status != http.StatusSeeOther || a.Location(t).Path != "/login/" {
				t.Errorf("the password alone suffices: %d", a.Status)
			}
			w.Pass(time.Second)
			if to := signInByBoth(t, b, login, secret).Location(t); to.Path != "/oauth/authorize/" {
				t.Fatalf("after both: sent to %s", to)
			}
			page := b.Visit(t, back)
			code := b.Decide(t, page, "approve").Location(t).Query().Get("code")
			signed := w.Now()
			got := w.Redeem(t, web, code)
			w.Pass(time.Hour)
			for _, token := range []string{got.Text("id_token"), w.Refresh(t, web, got.Text("refresh_token")).Text("id_token")} {
				said := claims(t, w, token)
				if said["acr"] != "2" || fmt.Sprint(said["amr"]) != "[pwd otp mfa]" || said["auth_time"] != float64(signed.Unix()) {
					t.Errorf("the ID token says %v", said)
				}
			}
		})
	}
}

// What the page shows of a sign-in under way opens nothing: neither as a session nor as a
// consent.
func TestASignInUnderWayIsNoSession(t *testing.T) {
	w := servertest.New(t)
	enrolled(t, w)
	b := w.Browser()
	form := b.Visit(t, "/login/").Form(t, "/login/")
	form.Set("email", servertest.Ann.Email)
	form.Set("password", annsPassword)
	pending := b.Send(t, http.MethodPost, "/login/", form)
	for _, c := range (&http.Response{Header: pending.Header}).Cookies() {
		if strings.HasPrefix(c.Name, "gatehouse-dev") || strings.HasPrefix(c.Name, "__Host-gatehouse") && !strings.HasSuffix(c.Name, "-form") {
			t.Errorf("it sets the cookie %s", c.Name)
		}
	}
	sealed := pending.Form(t, "/login/code/").Get("signin")
	for _, name := range []string{"gatehouse-dev", "__Host-gatehouse"} {
		r := b.Request(t, http.MethodGet, "/account/", "")
		r.AddCookie(&http.Cookie{Name: name, Value: sealed})
		if a := w.Do(t, r); a.Status != http.StatusSeeOther {
			t.Errorf("as a session: %d", a.Status)
		}
	}
	other := w.SignedIn(t, servertest.Bob)
	consent := other.Authorize(t, web).Form(t, "/oauth/consent/")
	consent.Set("request", sealed)
	consent.Set("decision", "approve")
	if a := other.Send(t, http.MethodPost, "/oauth/consent/", consent); a.Status == http.StatusSeeOther {
		t.Errorf("as a consent: %d", a.Status)
	}
	events, err := w.Store.EventsOf(t.Context(), servertest.Ann.ID, 100)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(events, func(ev store.Event) bool { return ev.Action == "session.started" }) {
		t.Error("a session is in the audit log")
	}
}
