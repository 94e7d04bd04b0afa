package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const (
	spaOrigin   = "https://app.acme.example"
	otherOrigin = "https://app.globex.example"
)

// withOrigins is a world where acme.cli and acme.ci registered spaOrigin, and globex.cli
// otherOrigin.
func withOrigins(t testing.TB) *servertest.World {
	w := servertest.New(t)
	w.Declared.Applications[cli].AllowedOrigins = []string{"http://localhost:5173", spaOrigin}
	w.Declared.Applications[machine].AllowedOrigins = []string{spaOrigin}
	w.Declared.Applications[servertest.GlobexCLI].AllowedOrigins = []string{otherOrigin}
	w.Publish(t)
	return w
}

// script sends a form as a script of the origin does: it names its client in the form.
func script(t *testing.T, w *servertest.World, origin, path string, pairs ...string) servertest.Answer {
	t.Helper()
	r := w.Request(t, http.MethodPost, path, servertest.Form(pairs...).Encode())
	r.Header.Set("Origin", origin)
	return w.Do(t, r)
}

func preflight(t *testing.T, w *servertest.World, origin, path string) servertest.Answer {
	t.Helper()
	r := w.Request(t, http.MethodOptions, path, "")
	r.Header.Set("Origin", origin)
	r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
	return w.Do(t, r)
}

// readable is the origin whose scripts may read the answer; empty: none's.
func readable(t *testing.T, a servertest.Answer) string {
	t.Helper()
	if a.Header["Access-Control-Allow-Credentials"] != nil {
		t.Error("credentials are allowed")
	}
	return a.Header.Get("Access-Control-Allow-Origin")
}

// RFC 9700 section 2.6 (B-2.6d)
func TestPreflightsLetThroughOriginsThatAreRegistered(t *testing.T) {
	w := withOrigins(t)
	for _, path := range []string{tokenAt, "/oauth/token", revokeAt, "/oauth/device/code/"} {
		for origin, want := range map[string]string{
			spaOrigin: spaOrigin, otherOrigin: otherOrigin, "http://localhost:5173": "http://localhost:5173",
			"https://evil.example": "", "null": "", "https://app.acme.example.evil.example": "", "https://APP.acme.example": "",
			"http://app.acme.example": "", "https://app.acme.example:444": "", "https://app.acme.example/": "",
		} {
			a := preflight(t, w, origin, path)
			if a.Status != http.StatusNoContent || readable(t, a) != want || a.Header.Get("Vary") != "Origin" {
				t.Errorf("%s from %s: %d %v, want 204 for %q", path, origin, a.Status, a.Header, want)
			}
			allowed := a.Header.Get("Access-Control-Allow-Methods") == "POST" && a.Header.Get("Access-Control-Allow-Headers") == "authorization, content-type" &&
				a.Header.Get("Access-Control-Max-Age") != ""
			if allowed != (want != "") {
				t.Errorf("%s from %s: %v", path, origin, a.Header)
			}
		}
	}
}

// RFC 9700 section 2.6 (B-2.6d): neither what is suspended or has expired lets anybody through.
func TestPreflightsFollowWhatIsServed(t *testing.T) {
	w := withOrigins(t)
	w.Declared.Applications[servertest.GlobexCLI].ExpiresAt = w.Now().Add(time.Minute)
	w.Publish(t)
	if got := readable(t, preflight(t, w, otherOrigin, tokenAt)); got != otherOrigin {
		t.Fatalf("allowed %q", got)
	}
	w.Pass(time.Minute)
	if got := readable(t, preflight(t, w, otherOrigin, tokenAt)); got != "" {
		t.Errorf("the application has expired, and %q is allowed", got)
	}
	w.Declared.Organizations["acme"].Suspended = true
	w.Publish(t)
	if got := readable(t, preflight(t, w, spaOrigin, tokenAt)); got != "" {
		t.Errorf("the organization is suspended, and %q is allowed", got)
	}
	w.Declared.Organizations["acme"].Suspended = false
	for _, id := range []string{cli, machine} {
		w.Declared.Applications[id].AllowedOrigins = nil
	}
	w.Publish(t)
	if got := readable(t, preflight(t, w, spaOrigin, tokenAt)); got != "" {
		t.Errorf("the origin is no longer registered, and %q is allowed", got)
	}
}

// RFC 9700 section 2.6 (B-2.6d): an answer is for the scripts of the application it speaks to alone,
// refusals too.
func TestScriptsReadTheAnswersOfTheirOwnApplication(t *testing.T) {
	w := withOrigins(t)
	refresh := []string{"client_id", cli, "grant_type", "refresh_token", "refresh_token", "unknown"}
	for name, c := range map[string]struct {
		origin, path string
		pairs        []string
		status       int
		want         string
	}{
		"an answer":                      {spaOrigin, "/oauth/device/code/", []string{"client_id", cli}, 200, spaOrigin},
		"another registered origin":      {"http://localhost:5173", "/oauth/device/code/", []string{"client_id", cli}, 200, "http://localhost:5173"},
		"a refusal":                      {spaOrigin, tokenAt, refresh, 400, spaOrigin},
		"a revocation":                   {spaOrigin, revokeAt, []string{"client_id", cli, "token", "unknown"}, 200, spaOrigin},
		"an unregistered origin":         {"https://evil.example", tokenAt, refresh, 400, ""},
		"another application's origin":   {otherOrigin, tokenAt, refresh, 400, ""},
		"no origin":                      {"null", tokenAt, refresh, 400, ""},
		"an unknown client":              {spaOrigin, tokenAt, []string{"client_id", "acme.nobody", "grant_type", "refresh_token"}, 401, ""},
		"a client that proves nothing":   {spaOrigin, tokenAt, []string{"client_id", machine, "client_secret", "wrong", "grant_type", "client_credentials"}, 401, ""},
		"a client that proves itself":    {spaOrigin, tokenAt, []string{"client_id", machine, "client_secret", servertest.Secrets[machine], "grant_type", "client_credentials"}, 200, spaOrigin},
		"an endpoint that is for no SPA": {spaOrigin, "/oauth/introspect/", []string{"client_id", machine, "client_secret", servertest.Secrets[machine], "token", "x"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := script(t, w, c.origin, c.path, c.pairs...)
			if a.Status != c.status || readable(t, a) != c.want {
				t.Errorf("%d %s, readable by %q; want %d by %q", a.Status, a.Body, readable(t, a), c.status, c.want)
			}
			if varies := a.Header.Get("Vary") == "Origin"; varies != (c.path != "/oauth/introspect/") {
				t.Errorf("Vary: %q", a.Header.Get("Vary"))
			}
			if exposed := a.Header.Get("Access-Control-Expose-Headers"); (exposed == "WWW-Authenticate, Retry-After") != (c.want != "") {
				t.Errorf("exposed: %q", exposed)
			}
		})
	}
	if a := w.Post(t, tokenAt, machine, "grant_type", "client_credentials"); a.Header.Get("Vary") != "Origin" || readable(t, a) != "" {
		t.Errorf("without an Origin: %v", a.Header)
	}
}

func TestTwoOriginsAreNobodys(t *testing.T) {
	w := withOrigins(t)
	r := w.Request(t, http.MethodPost, "/oauth/device/code/", "client_id="+cli)
	r.Header["Origin"] = []string{spaOrigin, "https://evil.example"}
	if a := w.Do(t, r); a.Status != http.StatusOK || readable(t, a) != "" {
		t.Errorf("%d, readable by %q", a.Status, readable(t, a))
	}
}

// RFC 9700 section 2.6 (B-2.6d)
func TestNoPageAnswersScripts(t *testing.T) {
	w := withOrigins(t)
	var paths []string
	for _, r := range w.Server.Routes() {
		if !r.ForScripts {
			paths = append(paths, strings.ReplaceAll(r.Path, "{", "")) // any last segment will do
		}
	}
	for _, must := range []string{"/login", "/oauth/device", "/oauth/introspect", "/api/0/user"} {
		if !slices.Contains(paths, must) {
			t.Errorf("%s is for scripts", must)
		}
	}
	for _, never := range []string{"/oauth/authorize", "/oauth/consent", "/oauth/logout"} {
		if slices.ContainsFunc(w.Server.Routes(), func(r server.Route) bool { return r.Path == never && r.ForScripts }) {
			t.Errorf("%s is for scripts", never)
		}
	}
	for _, path := range paths {
		for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost, http.MethodDelete} {
			r := w.Request(t, method, path, "")
			r.Header.Set("Origin", spaOrigin)
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			a := w.Do(t, r)
			if public := strings.HasPrefix(path, "/.well-known/") || path == "/oauth/jwks.json"; public && readable(t, a) == "*" && method == http.MethodGet {
				continue
			}
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s answers with %s", method, path, name)
				}
			}
		}
	}
}

// RFC 9700 section 2.6 (B-2.6d): userinfo is for the scripts of the token's application,
// a refusal too.
func TestUserinfoIsForTheScriptsOfTheTokensApplication(t *testing.T) {
	w := withOrigins(t)
	token := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for origin, want := range map[string]string{spaOrigin: spaOrigin, otherOrigin: "", "https://evil.example": ""} {
			r := w.Request(t, method, "/oauth/userinfo/", "")
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Origin", origin)
			a := w.Do(t, r)
			// The token lacks the scope openid: its script must be able to read that.
			if a.Status != http.StatusForbidden || readable(t, a) != want || a.Header.Get("Vary") != "Origin" {
				t.Errorf("%s from %s: %d %s, readable by %q, want %q", method, origin, a.Status, a.Body, readable(t, a), want)
			}
		}
	}
	a := preflight(t, w, spaOrigin, "/oauth/userinfo")
	if a.Status != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST" {
		t.Errorf("preflight: %d %v", a.Status, a.Header)
	}
}
