package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

func (b *tab) decide(t *testing.T, code tokens.UserCode, decision string) (form url.Values, to string) {
	t.Helper()
	form = fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
	form.Set("decision", decision)
	return form, b.post("/oauth/device/", form).Header().Get("Location")
}

func TestNothingIsShownBeforeSignIn(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.open()
	back := "/login/?next=%2Foauth%2Fdevice%2F%3Fuser_code%3D" + code.String()
	wantTo(t, "get", b.get("/oauth/device/?user_code="+code.String()), back)
	wantTo(t, "post", b.post("/oauth/device/", url.Values{"user_code": {code.String()}, "decision": {"approve"}}), back)
	if state := w.state(t, code).State; state != store.DevicePending {
		t.Errorf("state %s", state)
	}
}

// ASVS 10.7.2
func TestApprovalGivesWhatWasShown(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "offline_access", "project:write")
	b := w.signedIn(t, "ann@example.com")
	page := b.get("/oauth/device/?user_code=" + strings.ToLower(strings.ReplaceAll(code.String(), "-", "")))
	for _, text := range []string{
		code.String(), "Acme &lt;b&gt;CLI&lt;/b&gt;", "Acme", "Change projects", "Stay connected", "203.0.113.7",
		"12:00 UTC", "ann@example.com", "only if you started this on a device in front of you",
	} {
		want(t, "the request", page, http.StatusOK, text)
	}
	if body := page.Body.String(); strings.Contains(body, "See projects") || strings.Contains(body, "See the organization") {
		t.Error("it shows a lower level of a family, or what was not asked for")
	}
	_, to := b.decide(t, code, "approve")
	want(t, "afterwards", b.get(to), http.StatusOK, "You can now close this tab.")

	row := w.state(t, code)
	user, err := w.Store.UserByEmail(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	got := store.Approval{UserID: user.ID, ProviderUID: "provider-1", AuthTime: w.Now(), AMR: []string{"pwd"}, Granted: []string{"offline_access", "project:read", "project:write"}}
	row.AuthTime = row.AuthTime.UTC()
	if diff := cmp.Diff(got, row.Approval); diff != "" || row.State != store.DeviceApproved {
		t.Errorf("state %s, approval (-want +got):\n%s", row.State, diff)
	}
	events, err := w.Store.Events(t.Context(), 1)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	ev := events[0]
	if ev.Action != "device.approved" || ev.Actor != user.ID || ev.OrganizationID != "org-1" || ev.ApplicationUID != "app-1" || ev.IP != "192.0.2.1" {
		t.Errorf("event %+v", ev)
	}
}

func TestDenialIsFinal(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
	form.Set("decision", "deny")
	wantTo(t, "deny", b.post("/oauth/device/", form), "/oauth/device/?result=denied")
	want(t, "afterwards", b.get("/oauth/device/?result=denied"), http.StatusOK, "Request denied")
	form.Set("decision", "approve")
	want(t, "approve after all", b.post("/oauth/device/", form), http.StatusBadRequest, "Invalid or expired code")
	if state := w.state(t, code).State; state != store.DeviceDenied {
		t.Errorf("state %s", state)
	}
}

func TestWhateverIsNotAClearYesIsANo(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	if _, to := b.decide(t, code, "Approve "); to != "/oauth/device/?result=denied" {
		t.Errorf("went to %q", to)
	}
	if state := w.state(t, code).State; state != store.DeviceDenied {
		t.Errorf("state %s", state)
	}
}

func TestBadCodesReadAlike(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	expired := w.ask(t, "org:read")
	w.pass(10 * time.Minute)
	used := w.ask(t, "org:read")
	b.decide(t, used, "approve")
	for name, typed := range map[string]string{
		"unknown": tokens.NewUserCode().String(), "malformed": "AEIOU-12", "expired": expired.String(), "used": used.String(),
	} {
		answer := b.get("/oauth/device/?" + url.Values{"user_code": {typed}}.Encode())
		want(t, name, answer, http.StatusBadRequest, badCode)
	}
}

func TestCodesOfWhatIsNotServedReadAsInvalid(t *testing.T) {
	for name, change := range map[string]func(*town){
		"organization suspended":     func(w *town) { w.org.Suspended = true },
		"organization gone":          func(w *town) { w.org.ID = "another" },
		"application suspended":      func(w *town) { w.app.Suspended = true },
		"application expired":        func(w *town) { w.app.ExpiresAt = w.Now() },
		"application recreated":      func(w *town) { w.app.UID = "another" },
		"grant type no longer there": func(w *town) { w.app.GrantTypes = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			code := w.ask(t, "org:read")
			b := w.signedIn(t, "ann@example.com")
			form := fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
			form.Set("decision", "approve")
			change(w)
			w.publish(t)
			want(t, "get", b.get("/oauth/device/?user_code="+code.String()), http.StatusBadRequest, badCode)
			want(t, "post", b.post("/oauth/device/", form), http.StatusBadRequest, badCode)
			if state := w.state(t, code).State; state != store.DevicePending {
				t.Errorf("state %s", state)
			}
		})
	}
}

func TestCodeFromBeforeItsApplicationWasGoneStaysInvalid(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	w.pass(time.Second)
	w.app.UID = "another"
	w.publish(t)
	w.app.UID = "app-1"
	w.publish(t)
	want(t, "get", b.get("/oauth/device/?user_code="+code.String()), http.StatusBadRequest, badCode)
}

// A namespace that could not be read after a restart is not served, and nothing more.
func TestCodeFromBeforeANamespaceCouldNotBeReadIsGoodAgain(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	w.pass(time.Second)
	unread := model.NewSnapshot("unread", nil, []*model.Provider{w.local}, nil)
	unread.Unread = []string{"acme"}
	if err := w.Publish(t.Context(), unread); err != nil {
		t.Fatal(err)
	}
	want(t, "meanwhile", b.get("/oauth/device/?user_code="+code.String()), http.StatusBadRequest, badCode)
	w.publish(t)
	want(t, "afterwards", b.get("/oauth/device/?user_code="+code.String()), http.StatusOK, "")
}

func TestThoseWhoMayNotCanOnlyDeny(t *testing.T) {
	w := newTown(t)
	little := &model.Role{UID: "role-2", Scopes: oauth.NewScopeSet("org:read")}
	w.roles["bob@example.com"] = []model.Holding{{Role: little, NotAfter: w.Now().Add(time.Minute)}}
	w.publish(t)
	b := w.signedIn(t, "bob@example.com")
	beyond := w.ask(t, "project:write", "offline_access")
	page := b.get("/oauth/device/?user_code=" + beyond.String())
	want(t, "nothing left", page, http.StatusOK, "allow nothing of what")
	if strings.Contains(page.Body.String(), `value="approve"`) || strings.Contains(page.Body.String(), "Stay connected") {
		t.Error("it offers to approve")
	}
	if _, to := b.decide(t, beyond, "approve"); to != "" || w.state(t, beyond).State != store.DevicePending {
		t.Errorf("approved all the same, to %q", to)
	}

	within := w.ask(t, "org:read", "project:write")
	form := fields(t, b.get("/oauth/device/?user_code="+within.String()), "/oauth/device/")
	form.Set("decision", "approve")
	w.pass(time.Minute) // the role ends while the page is open
	want(t, "no longer a member", b.post("/oauth/device/", form), http.StatusForbidden, "")
	page = b.get("/oauth/device/?user_code=" + within.String())
	want(t, "not a member", page, http.StatusOK, "not a member of Acme")
	if _, to := b.decide(t, within, "deny"); to != "/oauth/device/?result=denied" {
		t.Errorf("denied, to %q", to)
	}
}

func TestProtocolScopesAreNothingOnTheirOwn(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "offline_access")
	want(t, "only offline_access", w.signedIn(t, "ann@example.com").get("/oauth/device/?user_code="+code.String()), http.StatusOK, "allow nothing of what")
}

func TestSignInThatDoesNotCountSeesNoRequest(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	w.org.Providers = []*model.Provider{{UID: "sso-of-acme", OrganizationID: "org-1", OIDC: &model.OIDCSettings{}, DisplayName: "Acme SSO"}}
	w.publish(t)
	page := b.get("/oauth/device/?user_code=" + code.String())
	to := page.Header().Get("Location")
	next := url.Values{"next": {"/oauth/device/?user_code=" + code.String()}, "organization": {"acme"}, "again": {"1"}}
	if to != "/login/?"+next.Encode() {
		t.Errorf("got %d to %q, want the sign-in for Acme", page.Code, to)
	}
	page = b.get(to)
	want(t, "the sign-in", page, http.StatusOK, "Continue with Acme SSO")
	if text := page.Body.String(); strings.Contains(text, "CLI") || strings.Contains(text, "See the organization") {
		t.Error("it shows the request")
	}
}

// ASVS 6.6.2-3: a form decides about the code it showed, in the session it was shown to.
func TestFormsCannotCrossTabsOrSessions(t *testing.T) {
	w := newTown(t)
	w.roles["bob@example.com"] = w.roles["ann@example.com"]
	w.publish(t)
	b, bob := w.signedIn(t, "ann@example.com"), w.signedIn(t, "bob@example.com")
	one, two := w.ask(t, "org:read"), w.ask(t, "org:read")
	tabOne := fields(t, b.get("/oauth/device/?user_code="+one.String()), "/oauth/device/")
	tabTwo := fields(t, b.get("/oauth/device/?user_code="+two.String()), "/oauth/device/")
	foreign := fields(t, bob.get("/oauth/device/?user_code="+one.String()), "/oauth/device/")
	entry := fields(t, b.get("/oauth/device/"), "/oauth/device/")
	for name, token := range map[string]string{
		"the other tab's": tabTwo.Get("token"), "another session's": foreign.Get("token"), "the code entry's": entry.Get("token"), "none": "",
	} {
		form := url.Values{"user_code": {one.String()}, "token": {token}, "decision": {"approve"}}
		want(t, name, b.post("/oauth/device/", form), http.StatusForbidden, "no longer valid")
	}
	tabTwo.Set("decision", "approve")
	wantTo(t, "tab two", b.post("/oauth/device/", tabTwo), "/oauth/device/?result=approved")
	if a, b := w.state(t, one).State, w.state(t, two).State; a != store.DevicePending || b != store.DeviceApproved {
		t.Errorf("states %s and %s", a, b)
	}
	tabOne.Set("decision", "approve")
	b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	want(t, "from another site", b.post("/oauth/device/", tabOne), http.StatusForbidden, "another site")
}

func TestTypedCodeLeadsToItsRequest(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/oauth/device/"), "/oauth/device/")
	form.Set("user_code", strings.ToLower(code.String()))
	wantTo(t, "the entry", b.post("/oauth/device/", form), "/oauth/device/?user_code="+strings.ToLower(code.String()))
	form.Set("token", "")
	want(t, "an entry without the form", b.post("/oauth/device/", form), http.StatusForbidden, "no longer valid")
}

// ASVS 6.6.3
func TestGuessingCodesIsSlowed(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for i := range 20 {
		answer := b.get("/oauth/device/?user_code=" + tokens.NewUserCode().String())
		if wanted := map[bool]int{true: http.StatusBadRequest, false: http.StatusTooManyRequests}[i < 10]; answer.Code != wanted {
			t.Fatalf("guess %d: %d, want %d", i, answer.Code, wanted)
		}
		b.ip = fmt.Sprint("192.0.2.", i+2)
	}
	code := w.ask(t, "org:read")
	other := w.signedIn(t, "bob@example.com")
	other.ip = "198.51.100.1"
	want(t, "another person elsewhere", other.get("/oauth/device/?user_code="+code.String()), http.StatusOK, code.String())
	w.pass(time.Minute)
	want(t, "after a minute", b.get("/oauth/device/?user_code="+code.String()), http.StatusOK, code.String())
}

func TestOneOfManyDecisionsAtOnceCounts(t *testing.T) {
	w := newTown(t)
	code := w.ask(t, "org:read")
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/oauth/device/?user_code="+code.String()), "/oauth/device/")
	var decided atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			mine := url.Values{"token": form["token"], "user_code": form["user_code"], "decision": {[]string{"approve", "deny"}[i%2]}}
			tab := &tab{w, map[string]*http.Cookie{sessionCookie: b.cookies[sessionCookie]}, b.ip, b.header}
			if tab.post("/oauth/device/", mine).Code == http.StatusSeeOther {
				decided.Add(1)
			}
		})
	}
	wg.Wait()
	if n := decided.Load(); n != 1 {
		t.Errorf("%d decisions counted, want 1", n)
	}
}
