package server_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func TestEveryPathAnswersWithAndWithoutSlashForEveryMethod(t *testing.T) {
	w := servertest.New(t)
	for path, allow := range map[string]string{
		"/oauth/token": "POST", "/oauth/device/code": "POST", "/oauth/introspect": "POST", "/oauth/revoke": "POST",
		"/.well-known/oauth-authorization-server": "GET, HEAD", "/.well-known/openid-configuration": "GET, HEAD",
		"/oauth/jwks.json": "GET, HEAD", "/oauth/userinfo": "GET, HEAD, POST", "/oauth/consent": "POST",
		"/api/0/user": "GET, HEAD", "/api/0/users/me": "GET, HEAD",
		"/api/0/organizations": "GET, HEAD", "/api/0/organizations/acme": "GET, HEAD",
		"/api/0/organizations/acme/members": "GET, HEAD, POST", "/api/0/organizations/acme/members/usr_x": "DELETE, GET, HEAD",
	} {
		for _, p := range []string{path, path + "/"} {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
				a := w.Do(t, w.Request(t, method, p, ""))
				allowed := strings.Contains(allow, method)
				if allowed == (a.Status == 405) || a.Status/100 == 3 || a.Status == 404 {
					t.Errorf("%s %s: %d", method, p, a.Status)
				}
				if a.Status == 405 && a.Header.Get("Allow") != allow {
					t.Errorf("%s %s allows %q, want %q", method, p, a.Header.Get("Allow"), allow)
				}
			}
		}
	}
	for _, unknown := range []string{"/oauth/par", "/oauth/token//", "//oauth/token", "/.well-known/webfinger", "/api/0/organizations/acme/teams"} {
		if a := w.Do(t, w.Request(t, "GET", unknown, "")); a.Status != 404 {
			t.Errorf("%s: %d, want 404", unknown, a.Status)
		}
	}
}

func TestNothingIsServedBeforeTheFirstPublish(t *testing.T) {
	w := servertest.New(t)
	other, err := server.New(t.Context(), server.Config{Issuer: "https://id.example", Store: w.Store, Keyring: w.Keys})
	if err != nil {
		t.Fatal(err)
	}
	if other.Ready(t.Context()) == nil {
		t.Error("it says it is ready")
	}
	w.Server = other
	a := w.Post(t, tokenAt, machine, "grant_type", "client_credentials")
	refused(t, a, 503, "temporarily_unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestUnauthenticatedPostsAreLimitedBySourceAndMachinesAreNot(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	var last servertest.Answer
	for range 101 {
		last = w.Post(t, tokenAt, "acme.nobody", "grant_type", "client_credentials")
	}
	refused(t, last, 429, "temporarily_unavailable")
	if last.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", last.Header.Get("Retry-After"))
	}
	if a := w.Post(t, tokenAt, machine, "grant_type", "client_credentials"); a.Status != 200 {
		t.Errorf("a machine that proves itself: %d %s", a.Status, a.Body)
	}
	w.Pass(time.Second)
	refused(t, w.Post(t, tokenAt, "acme.nobody", "grant_type", "client_credentials"), 401, "invalid_client")
}

// lateBody lets something happen before its first byte.
type lateBody struct {
	io.Reader
	before func()
}

func (b *lateBody) Read(p []byte) (int, error) {
	if b.before != nil {
		b.before()
		b.before = nil
	}
	return b.Reader.Read(p)
}

// Else whoever holds a body back would act under what was declared before, and set the
// clock of the limits back.
func TestABodyThatTakesItsTimeIsJudgedWhenItIsThere(t *testing.T) {
	post := func(w *servertest.World, client string, before func()) int {
		body := &lateBody{strings.NewReader("grant_type=client_credentials"), before}
		r := httptest.NewRequest("POST", tokenAt, body)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(client, servertest.Secrets[client])
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		return out.Code
	}
	w := servertest.New(t, servertest.RateLimits)
	status := post(w, machine, func() {
		w.Declared.Applications[machine].Suspended = true
		w.Publish(t)
	})
	if status != 401 {
		t.Errorf("a machine that was suspended meanwhile: %d", status)
	}
	status = post(w, "acme.nobody", func() {
		w.Pass(10 * time.Second)
		for range 100 {
			w.Post(t, tokenAt, "acme.nobody", "grant_type", "client_credentials")
		}
	})
	if status != 429 {
		t.Errorf("a post beyond the limit that began before: %d", status)
	}
	refused(t, w.Post(t, tokenAt, "acme.nobody", "grant_type", "client_credentials"), 429, "temporarily_unavailable")
}

func TestDeviceRequestsAreLimitedByClient(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	for range 50 {
		w.StartDevice(t, cli)
	}
	refused(t, w.Post(t, "/oauth/device/code/", cli), 429, "temporarily_unavailable")
	w.StartDevice(t, servertest.OtherCLI)
}

func TestRemovalsAreServedThoughTheStoreFails(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Applications[machine].Suspended = true
	w.Declared.Applications[servertest.Gateway].DisplayName = "renamed"
	delete(w.Declared.Applications, cli)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Server.Publish(t.Context(), w.Declared.Snapshot()); err == nil {
		t.Fatal("Publish says that all is well")
	}
	refused(t, w.Post(t, tokenAt, machine, "grant_type", "client_credentials"), 401, "invalid_client")
	refused(t, w.Post(t, "/oauth/device/code/", cli), 401, "invalid_client")
	if a := w.Post(t, tokenAt, servertest.Gateway, "grant_type", "client_credentials"); a.Status != 200 {
		t.Errorf("a neighbour: %d %s", a.Status, a.Body)
	}
}

// What was removed while the store did not answer was removed, though the store never hears
// of it: what was issued before stays dead when the object comes back.
func TestARemovalThatTheStoreMissedIsNotForgotten(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")
	w.Pass(time.Minute)
	app := w.Declared.Applications[cli]
	delete(w.Declared.Applications, cli)
	away, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Server.Publish(away, w.Declared.Snapshot()); err == nil {
		t.Fatal("Publish says that all is well")
	}
	inactive(t, w, signedIn.Text("access_token"))
	w.Pass(time.Minute)
	w.Declared.Applications[cli] = app
	w.Publish(t)
	inactive(t, w, signedIn.Text("access_token"))
	refused(t, w.Refresh(t, cli, signedIn.Text("refresh_token")), 400, "invalid_grant")
	known, err := w.Store.Object(t.Context(), app.UID)
	if err != nil || known.GoneAt.IsZero() {
		t.Errorf("the next start will know nothing of it: %+v, %v", known, err)
	}
	w.Pass(time.Minute)
	later := w.SignIn(t, cli, servertest.Ann)
	w.Pass(time.Minute)
	w.Declared.Applications[cli].DisplayName = "of another name"
	w.Publish(t)
	active(t, w, later.Text("access_token"), "org:read project:read project:write")
}

func TestMetadataAdvertisesOnlyWhatIsRouted(t *testing.T) {
	w := servertest.New(t)
	a := w.Get(t, "/.well-known/oauth-authorization-server", "")
	m := a.JSON()
	if m["issuer"] != w.HTTP.URL || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "public") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	if again := w.Get(t, "/.well-known/openid-configuration", ""); string(again.Body) != string(a.Body) {
		t.Errorf("the two documents differ: %s", again.Body)
	}
	if keys := w.Get(t, strings.TrimPrefix(m["jwks_uri"].(string), w.HTTP.URL), ""); keys.JSON()["keys"] == nil {
		t.Errorf("jwks_uri answers %d %s", keys.Status, keys.Body)
	}
	for name, value := range m {
		if !strings.HasSuffix(name, "_endpoint") {
			continue
		}
		path, ours := strings.CutPrefix(value.(string), w.HTTP.URL)
		if got := w.Post(t, path, ""); !ours || got.Status == 404 || got.Status == 405 {
			t.Errorf("%s %v answers %d", name, value, got.Status)
		}
	}
	for _, g := range m["grant_types_supported"].([]any) {
		if got := w.Post(t, tokenAt, cli, "grant_type", g.(string)); got.Text("error") == "unsupported_grant_type" {
			t.Errorf("%v is not served", g)
		}
	}
}

func TestAnswersCarryStrictHeadersAndLogsNoSecret(t *testing.T) {
	w := servertest.New(t)
	a := w.SignIn(t, cli, servertest.Ann)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cache-Control": "no-store", "Pragma": "no-cache", "Content-Type": "application/json",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.Get(t, "/api/0/user/?access_token="+a.Text("access_token"), "")
	w.HTTP.Close()
	for _, secret := range []string{a.Text("access_token"), a.Text("refresh_token"), servertest.Secrets[machine]} {
		if strings.Contains(w.Log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
	if !strings.Contains(w.Log.String(), `"route":"/api/0/user"`) || strings.Contains(w.Log.String(), "access_token=") {
		t.Error("the log does not tell the request, or tells its query")
	}
}
