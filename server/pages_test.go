package server

import (
	"bytes"
	"context"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

const rightPassword = "tractor-violin-otter-91"

// rightHash is everybody's; it is dear to make.
var rightHash = sync.OnceValue(func() string { return people.Hash(rightPassword) })

// town is a server with two people, an organization and a device application, under a
// clock that the test moves.
type town struct {
	*Server
	path  string // of the store
	mu    sync.Mutex
	clock time.Time
	app   *model.Application
	org   model.Organization
	roles map[string][]model.Holding
	local *model.Provider
	more  []*model.Provider // of the installation
}

func newTown(t *testing.T) *town {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	db, err := store.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	t.Cleanup(func() {
		leaks.Database(t.Name(), path)
		leaks.Emitted(t.Name(), log.Bytes())
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &town{path: path, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.Server, err = New(t.Context(), Config{
		Issuer: "https://id.example", Store: db, Keyring: keys, RateLimitScale: 1,
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, email := range []string{"ann@example.com", "bob@example.com"} {
		u := store.User{
			ID: "usr_" + strings.Repeat("ab"[i:i+1], 22), Email: email, Login: email, Name: email, PasswordHash: rightHash(),
			CreatedAt: w.clock, EmailProvenBy: "operator", EmailProvenAt: w.clock,
		}
		if err := db.CreateUser(t.Context(), u, store.Event{Time: w.clock, Action: "user.created"}); err != nil {
			t.Fatal(err)
		}
	}
	w.errands.within = 0
	t.Cleanup(func() { w.errands.wait() }) // before the store closes
	w.declare()
	w.publish(t)
	return w
}

func (w *town) declare() {
	all := oauth.NewScopeSet("org:read", "project:read", "project:write")
	catalogue := model.NewCatalogue([]model.Scope{
		{Name: "org:read", Description: "See the organization", Includes: oauth.NewScopeSet("org:read")},
		{Name: "project:read", Description: "See projects", Includes: oauth.NewScopeSet("project:read")},
		{Name: "project:write", Description: "Change projects", Includes: oauth.NewScopeSet("project:read", "project:write")},
	})
	w.local = &model.Provider{UID: "provider-1", Type: "Local", DisplayName: "Example", Local: &model.LocalPolicy{MinLength: 12}}
	w.org = model.Organization{ID: "org-1", Slug: "acme", DisplayName: "Acme", Catalogue: catalogue, Providers: []*model.Provider{w.local}}
	w.app = &model.Application{
		UID: "app-1", ClientID: "acme.apps.cli", DisplayName: "Acme <b>CLI</b>", Type: "Device",
		GrantTypes: []oauth.GrantType{oauth.DeviceCode}, Scopes: all, ProtocolScopes: oauth.NewScopeSet(oauth.OfflineAccess),
	}
	role := &model.Role{UID: "role-1", Name: "member", Scopes: oauth.NewScopeSet("org:read", "project:read", "project:write")}
	w.roles = map[string][]model.Holding{"ann@example.com": {{Role: role}}}
}

func (w *town) publish(t *testing.T) {
	t.Helper()
	var providers []*model.Provider
	if w.local != nil {
		providers = append(providers, w.local)
	}
	providers = append(providers, w.more...)
	app := *w.app
	var objects []model.ObjectID
	for kind, uid := range map[string]string{"Organization": w.org.ID, "ApiApplication": app.UID} {
		objects = append(objects, model.ObjectID{Kind: kind, Namespace: "acme", Name: "x", UID: uid})
	}
	for _, p := range append(slices.Clone(providers), w.org.Providers...) {
		o := model.ObjectID{Kind: "AuthProvider", Namespace: "acme", Name: p.UID, UID: p.UID}
		if !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	org := w.org.WithMembers([]*model.Application{&app}, w.roles)
	if err := w.Publish(t.Context(), model.NewSnapshot("digest", []*model.Organization{org}, providers, objects)); err != nil {
		t.Fatal(err)
	}
}

func (w *town) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// ask makes a device request and returns its user code as shown.
func (w *town) ask(t *testing.T, scopes ...string) tokens.UserCode {
	t.Helper()
	code := tokens.NewUserCode()
	leaks.Remember(string(code), code.String())
	if err := w.Store.CreateDeviceCode(t.Context(), store.DeviceCode{
		Hash: code.Hash(w.Keyring), UserCodeHash: code.Hash(w.Keyring), ApplicationUID: "app-1", OrganizationID: "org-1",
		ClientID: "acme.apps.cli", Scopes: scopes, State: store.DevicePending, CreatedAt: w.Now(), ExpiresAt: w.Now().Add(10 * time.Minute),
		IP: "203.0.113.7", UserAgent: "curl",
	}); err != nil {
		t.Fatal(err)
	}
	return code
}

func (w *town) state(t *testing.T, code tokens.UserCode) store.DeviceCode {
	t.Helper()
	row, err := w.Store.DeviceCode(context.WithoutCancel(t.Context()), code.Hash(w.Keyring))
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// tab is a browser that keeps cookies and does nothing of its own accord.
type tab struct {
	town    *town
	cookies map[string]*http.Cookie
	ip      string
	header  http.Header // sent with every request
}

func (w *town) open() *tab {
	return &tab{w, map[string]*http.Cookie{}, "192.0.2.1", http.Header{"Sec-Fetch-Site": {"same-origin"}}}
}

func (b *tab) get(path string) *httptest.ResponseRecorder { return b.send(http.MethodGet, path, nil) }

func (b *tab) post(path string, form url.Values) *httptest.ResponseRecorder {
	return b.send(http.MethodPost, path, form)
}

func (b *tab) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://id.example"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	r.RemoteAddr = net.JoinHostPort(b.ip, "1234")
	leaks.Remember(form.Get("password"), form.Get("token"), form.Get("ceremony"), form.Get("credential"))
	answer := httptest.NewRecorder()
	b.town.Handler().ServeHTTP(answer, r)
	for _, c := range answer.Result().Cookies() {
		leaks.Remember(c.Value)
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return answer
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// fields returns the hidden fields of the page's form for the action.
func fields(t *testing.T, page *httptest.ResponseRecorder, action string) url.Values {
	t.Helper()
	_, form, found := strings.Cut(page.Body.String(), `action="`+action+`"`)
	if !found {
		t.Fatalf("no form for %s on: %d\n%s", action, page.Code, page.Body)
	}
	form, _, _ = strings.Cut(form, "</form>")
	values := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(form, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	return values
}

// signIn goes through the login page.
func (b *tab) signIn(t *testing.T, email, password string) *httptest.ResponseRecorder {
	t.Helper()
	form := fields(t, b.get("/login/"), "/login/")
	form.Set("email", email)
	form.Set("password", password)
	return b.post("/login/", form)
}

// signedIn returns a tab in which somebody is signed in.
func (w *town) signedIn(t *testing.T, email string) *tab {
	t.Helper()
	b := w.open()
	if answer := b.signIn(t, email, rightPassword); answer.Code != http.StatusSeeOther {
		t.Fatalf("sign-in of %s: %d\n%s", email, answer.Code, answer.Body)
	}
	return b
}

func want(t *testing.T, what string, answer *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if answer.Code != status || !strings.Contains(answer.Body.String(), text) {
		t.Errorf("%s: got %d, want %d with %q:\n%s", what, answer.Code, status, text, answer.Body)
	}
}

func wantTo(t *testing.T, what string, answer *httptest.ResponseRecorder, to string) {
	t.Helper()
	if got := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || got != to {
		t.Errorf("%s: got %d to %q, want 303 to %q", what, answer.Code, got, to)
	}
}

// RFC 9700 sections 4.2 and 4.16
func TestEveryPageIsSentWithStrictHeaders(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	code := w.ask(t, "org:read")
	// Our own script, where a key can be used, and nowhere else.
	scripts := map[string]string{"login": "script-src 'self'; ", "new key": "script-src 'self'; "}
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"home": b.get("/"), "login": w.open().get("/login/"), "logout": b.get("/logout"), "code": b.get("/oauth/device"),
		"device": b.get("/oauth/device/?user_code=" + code.String()), "done": b.get("/oauth/device/?result=approved"),
		"error": b.post("/oauth/device/", nil), "new key": b.get(newKeyPath), "factors": b.get(factorsPath), "new app": b.get(newFactorPath),
	} {
		h := answer.Header()
		for header, want := range map[string]string{
			"Content-Type":            "text/html; charset=utf-8",
			"Content-Security-Policy": scripts[name] + "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
			"X-Frame-Options":         "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	for ending, kind := range map[string]string{"css": "text/css", "svg": "image/svg+xml", "js": "text/javascript"} {
		file := regexp.MustCompile(`/static/[^"]+\.` + ending).FindString(b.get(newKeyPath).Body.String())
		answer := b.get(file)
		if h := answer.Header(); answer.Code != http.StatusOK || !strings.Contains(h.Get("Cache-Control"), "immutable") || !strings.HasPrefix(h.Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", file, answer.Code, h)
		}
	}
}

func TestErrorPagesNameTheRequest(t *testing.T) {
	w := newTown(t)
	b := w.signedIn(t, "ann@example.com")
	answer := b.post("/oauth/device/", url.Values{"token": {"forged"}})
	want(t, "a stale form", answer, http.StatusForbidden, answer.Header().Get("X-Request-Id"))
}
