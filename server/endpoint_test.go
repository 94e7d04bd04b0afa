package server_test

import (
	"net/http"
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
		"/.well-known/oauth-authorization-server": "GET, HEAD", "/api/0/user": "GET, HEAD", "/api/0/users/me": "GET, HEAD",
		"/api/0/organizations": "GET, HEAD", "/api/0/organizations/acme": "GET, HEAD",
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
	for _, unknown := range []string{"/oauth/authorize", "/oauth/token//", "//oauth/token", "/oauth/userinfo", "/oauth/jwks.json", "/.well-known/openid-configuration", "/api/0/organizations/acme/members"} {
		if a := w.Do(t, w.Request(t, "GET", unknown, "")); a.Status != 404 {
			t.Errorf("%s: %d, want 404", unknown, a.Status)
		}
	}
}

func TestBodiesAreBoundedForms(t *testing.T) {
	w := servertest.New(t)
	refused(t, w.Do(t, w.Request(t, "POST", tokenAt, "grant_type="+strings.Repeat("x", 64<<10))), 413, "invalid_request")
	refused(t, w.Do(t, w.Request(t, "POST", tokenAt, "grant_type=%zz")), 400, "invalid_request")
	r := w.Request(t, "POST", tokenAt, `{"grant_type":"client_credentials"}`)
	r.Header.Set("Content-Type", "application/json")
	refused(t, w.Do(t, r), 400, "invalid_request")
	r = w.Request(t, "POST", tokenAt+"?grant_type=client_credentials", "")
	refused(t, w.Do(t, r), 400, "invalid_request")
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

func TestDeviceRequestsAreLimitedByClient(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	for range 50 {
		w.StartDevice(t, cli)
	}
	refused(t, w.Post(t, "/oauth/device/code/", cli), 429, "temporarily_unavailable")
	w.StartDevice(t, servertest.OtherCLI)
}

func TestDeviceRequestRefuses(t *testing.T) {
	w := servertest.New(t)
	const at = "/oauth/device/code/"
	refused(t, w.Post(t, at, ""), 401, "invalid_client")
	refused(t, w.Post(t, at, "acme.nobody"), 401, "invalid_client")
	refused(t, w.Post(t, at, "", "client_id", servertest.Box), 401, "invalid_client")
	refused(t, w.Post(t, at, machine), 400, "unauthorized_client")
	refused(t, w.Post(t, at, cli, "scope", "project:admin"), 400, "invalid_scope")
	refused(t, w.Post(t, at, cli, "scope", "openid"), 400, "invalid_scope")
	refused(t, w.Post(t, at, cli, "scope", "a", "scope", "b"), 400, "invalid_request")
	w.Declared.Applications[cli].Suspended = true
	w.Publish(t)
	refused(t, w.Post(t, at, cli), 401, "invalid_client")
}

func TestApprovalThatNoLongerStandsGivesNothing(t *testing.T) {
	w := servertest.New(t)
	device := w.StartDevice(t, cli)
	w.Approve(t, device.Text("user_code"), servertest.Ann)
	delete(w.Declared.Holdings["acme"], servertest.Ann.Email)
	w.Publish(t)
	refused(t, w.Poll(t, cli, device.Text("device_code")), 400, "access_denied")
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

func TestMetadataAdvertisesOnlyWhatIsRouted(t *testing.T) {
	w := servertest.New(t)
	a := w.Get(t, "/.well-known/oauth-authorization-server", "")
	m := a.JSON()
	if m["issuer"] != w.HTTP.URL || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "public") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	if types, ok := m["response_types_supported"].([]any); !ok || len(types) != 0 || m["authorization_endpoint"] != nil {
		t.Errorf("response types %v, authorization endpoint %v", m["response_types_supported"], m["authorization_endpoint"])
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

func TestAPIDecidesByOrganizationAndScope(t *testing.T) {
	w := servertest.New(t)
	person, robot := w.SignIn(t, cli, servertest.Ann).Text("access_token"), machineToken(t, w, machine)
	narrow := w.SignIn(t, cli, servertest.Ann, "scope", "project:read").Text("access_token")
	acme, globex := w.Declared.Organizations["acme"].ID, w.Declared.Organizations["globex"].ID
	for _, c := range []struct {
		path, token string
		status      int
		code        string
		challenge   string
	}{
		{"/api/0/user/", person, 200, "", ""},
		{"/api/0/users/me/", narrow, 200, "", ""},
		{"/api/0/user/", robot, 404, "not_found", ""},
		{"/api/0/organizations/", person, 200, "", ""},
		{"/api/0/organizations/acme/", robot, 200, "", ""},
		{"/api/0/organizations/" + acme, person, 200, "", ""},
		{"/api/0/organizations/acme/", narrow, 403, "insufficient_scope", `scope="org:read"`},
		{"/api/0/organizations/globex/", person, 403, "insufficient_scope", `error="insufficient_scope"`},
		{"/api/0/organizations/" + globex, person, 403, "insufficient_scope", ""},
		{"/api/0/organizations/nowhere/", person, 403, "insufficient_scope", ""},
		{"/api/0/user/", "", 401, "invalid_token", "Bearer realm="},
		{"/api/0/user/", "gat_x", 401, "invalid_token", `error="invalid_token"`},
		{"/api/0/user/?access_token=" + person, "", 400, "invalid_request", `error="invalid_request"`},
	} {
		a := w.Get(t, c.path, c.token)
		detail, _ := a.JSON()["detail"].(map[string]any)
		code, _ := detail["code"].(string)
		if a.Status != c.status || code != c.code || !strings.Contains(a.Header.Get("WWW-Authenticate"), c.challenge) {
			t.Errorf("%s: %d %s %q, want %d %s %q", c.path[:min(len(c.path), 40)], a.Status, a.Body, a.Header.Get("WWW-Authenticate"), c.status, c.code, c.challenge)
		}
	}
	if bare := w.Get(t, "/api/0/user/", "").Header.Get("WWW-Authenticate"); strings.Contains(bare, "error=") {
		t.Errorf("challenge without a token %q, want a bare one", bare)
	}
	foreign, unknown := w.Get(t, "/api/0/organizations/globex/", person), w.Get(t, "/api/0/organizations/nowhere/", person)
	if string(foreign.Body) != string(unknown.Body) {
		t.Errorf("%s tells another organization from none: %s", foreign.Body, unknown.Body)
	}
	if a := w.Do(t, w.Request(t, http.MethodHead, "/api/0/user/", "")); a.Status != 401 || len(a.Body) != 0 {
		t.Errorf("HEAD: %d %q", a.Status, a.Body)
	}
}
