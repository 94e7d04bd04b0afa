package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const sessionCookie = "__Host-gatehouse"

// challengeShown is what is new each time: the challenge for a passkey, and what is sealed
// and made with it.
var challengeShown = regexp.MustCompile(`challenge&#34;:&#34;[-\w]{43}|(name="ceremony"|name="token") value="[-\w]+"`)

// ASVS 6.3.8: same status, same bytes.
func TestKnownAndUnknownPeopleAreRefusedAlike(t *testing.T) {
	w := newTown(t)
	bob, err := w.Store.UserByEmail(t.Context(), "bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.SetDisabled(t.Context(), bob.ID, true, store.Event{Time: w.Now(), Action: "user.disabled"}); err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	b := w.open()
	for _, c := range []struct{ email, password string }{
		{"ann@example.com", "wrong"}, {"nob@example.com", "wrong"}, {"bob@example.com", rightPassword},
	} {
		answer := b.signIn(t, c.email, c.password)
		body := challengeShown.ReplaceAllString(strings.ReplaceAll(answer.Body.String(), c.email, "EMAIL"), "")
		answers[fmt.Sprint(answer.Code, answer.Header().Values("Set-Cookie"), body)] = c.email
		want(t, c.email, answer, http.StatusForbidden, "do not match")
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers, want one", len(answers))
	}
	if b.cookies[sessionCookie] != nil {
		t.Error("a refused sign-in sets a session")
	}
}

func TestSignInsAreAuditedWithTheirReason(t *testing.T) {
	w := newTown(t)
	b := w.open()
	b.signIn(t, "my password by mistake", "wrong")
	b.signIn(t, "ann@example.com", "wrong")
	b.signIn(t, "ann@example.com", rightPassword)
	b.post("/logout/", fields(t, b.get("/logout/"), "/logout/"))
	events, err := w.Store.Events(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range events {
		got = append(got, ev.Action+" "+ev.Outcome+" "+ev.Reason)
		if text := fmt.Sprint(ev); strings.Contains(text, "mistake") || ev.IP != "192.0.2.1" || ev.RequestID == "" {
			t.Errorf("event %+v", ev)
		}
	}
	wanted := []string{"session.ended ok signed out", "session.started ok ", "session.started refused wrong password", "session.started refused no such account"}
	if strings.Join(got, "|") != strings.Join(wanted, "|") {
		t.Errorf("events %q, want %q", got, wanted)
	}
}

// leaver is the context of a caller who hangs up while the password is looked at.
type leaver struct {
	context.Context
	people.Accounts
	gone atomic.Bool
}

func (l *leaver) Err() error {
	if l.gone.Load() {
		return context.Canceled
	}
	return nil
}

func (l *leaver) UserByEmail(ctx context.Context, email string) (store.User, error) {
	defer l.gone.Store(true)
	return l.Accounts.UserByEmail(ctx, email)
}

func TestSignInsAreAuditedThoughTheCallerHangsUp(t *testing.T) {
	w := newTown(t)
	for password, outcome := range map[string]string{"wrong": "refused", rightPassword: "ok"} {
		b := w.open()
		form := fields(t, b.get("/login/"), "/login/")
		form.Set("email", "ann@example.com")
		form.Set("password", password)
		l := &leaver{Context: t.Context(), Accounts: w.Store}
		w.directory = people.NewDirectory(l)
		r := httptest.NewRequestWithContext(l, http.MethodPost, "https://id.example/login/", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range b.cookies {
			r.AddCookie(c)
		}
		answer := httptest.NewRecorder()
		w.Handler().ServeHTTP(answer, r)
		events, err := w.Store.Events(t.Context(), 1)
		if err != nil || len(events) == 0 || events[0].Action != "session.started" || events[0].Outcome != outcome {
			t.Errorf("answered %d; last event %+v (%v), want session.started %s", answer.Code, events, err, outcome)
		}
	}
}

// ASVS 6.3.1
func TestGuessingPasswordsIsSlowedAndTheOwnerGetsIn(t *testing.T) {
	w := newTown(t)
	b := w.open()
	refused := 0
	for range 100 {
		if answer := b.signIn(t, "ann@example.com", "guess"); answer.Code == http.StatusTooManyRequests {
			refused++
			if answer.Header().Get("Retry-After") == "" {
				t.Fatal("no Retry-After")
			}
		}
		w.pass(50 * time.Millisecond)
	}
	if refused < 90 {
		t.Errorf("%d of 100 guesses were slowed, want at least 90", refused)
	}
	if answer := b.signIn(t, "ann@example.com", rightPassword); answer.Code != http.StatusTooManyRequests {
		t.Errorf("the guesser is let in by a last guess: %d", answer.Code)
	}
	owner := w.open()
	owner.ip = "198.51.100.9"
	wantTo(t, "the owner", owner.signIn(t, "ann@example.com", rightPassword), "/")
}

// ASVS 7.2.4
func TestSessionFixationIsRefused(t *testing.T) {
	w := newTown(t)
	b := w.open()
	b.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: strings.Repeat("A", 43)}
	b.signIn(t, "ann@example.com", rightPassword)
	first := *b.cookies[sessionCookie]
	if first.Value == strings.Repeat("A", 43) {
		t.Fatal("a planted identifier is taken over")
	}
	// The same browser signs in once more, with a login form from before.
	again := w.open()
	form := fields(t, again.get("/login/"), "/login/")
	again.cookies[sessionCookie] = &first
	form.Set("email", "bob@example.com")
	form.Set("password", rightPassword)
	again.post("/login/", form)
	old := w.open()
	old.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: first.Value}
	wantTo(t, "the old identifier", old.get("/oauth/device/"), "/login/?next=%2Foauth%2Fdevice%2F")
	want(t, "the new identifier", again.get("/"), http.StatusOK, "bob@example.com")
}

// ASVS 7.2.1, 7.3.1-2
func TestSessionsThatAreForgedOrTooOldAreNone(t *testing.T) {
	w := newTown(t)
	forged := w.open()
	forged.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Value: strings.Repeat("B", 43)}
	wantTo(t, "a forged cookie", forged.get("/oauth/device/"), "/login/?next=%2Foauth%2Fdevice%2F")

	b := w.signedIn(t, "ann@example.com")
	w.pass(sessions.Idle + time.Second)
	wantTo(t, "idle for a second too long", b.get("/oauth/device/"), "/login/?next=%2Foauth%2Fdevice%2F")

	b = w.signedIn(t, "ann@example.com")
	end := w.Now().Add(sessions.Absolute)
	for w.Now().Add(23 * time.Hour).Before(end) {
		w.pass(23 * time.Hour)
		want(t, "in use", b.get("/oauth/device/"), http.StatusOK, "Connect a device")
	}
	w.pass(end.Sub(w.Now()) + time.Second)
	wantTo(t, "a second after the absolute limit", b.get("/oauth/device/"), "/login/?next=%2Foauth%2Fdevice%2F")
}

// RFC 9700 section 4.11
func TestSignInLeadsToOwnPagesOnly(t *testing.T) {
	for next, to := range map[string]string{
		"":                               "/",
		"/oauth/device/":                 "/oauth/device/",
		"/oauth/device":                  "/oauth/device/",
		"/oauth/device/?user_code=BCDF":  "/oauth/device/?user_code=BCDF",
		"//evil.example":                 "/",
		"//evil.example/oauth/device/":   "/",
		`/\evil.example`:                 "/",
		`\\evil.example`:                 "/",
		"https://evil.example":           "/",
		"https:evil.example":             "/",
		"https:/oauth/device/":           "/",
		"javascript:alert(1)":            "/",
		"/%2fevil.example":               "/",
		"%2f%2fevil.example":             "/",
		"/%5cevil.example":               "/",
		"/oauth/device/../../evil":       "/",
		"/oauth/device/..//evil.example": "/",
		"///evil.example/oauth/device/":  "/",
		"/\t/evil.example":               "/",
		"/oauth/device/\r\nLocation: x":  "/",
		"/oauth/device/?a=%0d%0aX:%20y":  "/oauth/device/?a=%0D%0AX%3A+y",
		"//user@evil.example":            "/",
		"/logout/":                       "/",
		"evil.example":                   "/",
		"?user_code=x":                   "/",
	} {
		if got := ownPath(next); got != to {
			t.Errorf("%q leads to %q, want %q", next, got, to)
		}
	}
	w := newTown(t)
	b := w.open()
	form := fields(t, b.get("/login/?next="+url.QueryEscape("//evil.example")), "/login/")
	form.Set("email", "ann@example.com")
	form.Set("password", rightPassword)
	form.Set("next", "https://evil.example/")
	wantTo(t, "a hostile next", b.post("/login/", form), "/")
}

// ASVS 7.6.2, RFC 9700 section 4.7
func TestLoginFormOfAnotherBrowserOrSiteIsRefused(t *testing.T) {
	w := newTown(t)
	attacker, victim := w.open(), w.open()
	form := fields(t, attacker.get("/login/"), "/login/")
	form.Set("email", "bob@example.com")
	form.Set("password", rightPassword)
	victim.get("/login/")
	want(t, "another browser's token", victim.post("/login/", form), http.StatusForbidden, "no longer valid")
	form.Del("token")
	want(t, "no token", victim.post("/login/", form), http.StatusForbidden, "no longer valid")

	for name, header := range map[string]http.Header{
		"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":      {"Sec-Fetch-Site": {"same-site"}},
		"Origin":         {"Origin": {"https://evil.example"}},
		"null Origin":    {"Origin": {"null"}},
	} {
		form := fields(t, victim.get("/login/"), "/login/")
		form.Set("email", "ann@example.com")
		form.Set("password", rightPassword)
		victim.header = header
		want(t, name, victim.post("/login/", form), http.StatusForbidden, "another site")
		victim.header = http.Header{}
	}
	if victim.cookies[sessionCookie] != nil {
		t.Error("the victim is signed in")
	}
}

func TestSignInWithoutAProviderSaysWhatToDo(t *testing.T) {
	w := newTown(t)
	b := w.open()
	form := fields(t, b.get("/login/"), "/login/")
	form.Set("email", "ann@example.com")
	form.Set("password", rightPassword)
	w.local = nil
	w.publish(t)
	want(t, "the page", w.open().get("/login/"), http.StatusServiceUnavailable, "AuthProvider of type Local")
	want(t, "a post", b.post("/login/", form), http.StatusServiceUnavailable, "AuthProvider of type Local")
}

func TestCookiesOfTheLoginPageAreStrict(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	for name, c := range b.cookies {
		if !strings.HasPrefix(name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if len(b.cookies) != 3 { // of the form, the session and the device
		t.Errorf("%d cookies", len(b.cookies))
	}
	wantTo(t, "login when signed in", b.get("/login/?next=/oauth/device/"), "/oauth/device/")
}

// ASVS 7.4.1
func TestSignOutKillsTheSessionAtTheServer(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	stolen := *b.cookies[sessionCookie]
	want(t, "a link", b.get("/logout/"), http.StatusOK, "Sign out?")
	want(t, "a post without the form", b.post("/logout/", nil), http.StatusForbidden, "no longer valid")
	other := fields(t, w.signedIn(t, "bob@example.com").get("/logout/"), "/logout/")
	want(t, "another session's form", b.post("/logout/", other), http.StatusForbidden, "no longer valid")
	want(t, "still signed in", b.get("/"), http.StatusOK, "ann@example.com")

	wantTo(t, "sign-out", b.post("/logout/", fields(t, b.get("/logout/"), "/logout/")), "/logout/")
	want(t, "afterwards", b.get("/logout/"), http.StatusOK, "You are signed out")
	b.cookies[sessionCookie] = &stolen
	wantTo(t, "the replayed cookie", b.get("/oauth/device/"), "/login/?next=%2Foauth%2Fdevice%2F")
}
