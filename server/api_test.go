package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// apiRefused checks the words of a refusal, and its challenge: what must be in it, or what
// all of it is behind the realm.
func apiRefused(t *testing.T, a servertest.Answer, status int, code, challenge string) {
	t.Helper()
	detail, _ := a.JSON()["detail"].(map[string]any)
	if message, _ := detail["message"].(string); a.Status != status || detail["code"] != code || message == "" {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if got := a.Header.Get("WWW-Authenticate"); !strings.Contains(got, challenge) || (got == "") != (challenge == "") {
		t.Errorf("WWW-Authenticate %q, want %q in it", got, challenge)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", a.Header.Get("Cache-Control"))
	}
}

var apiPaths = []string{"/api/0/user/", "/api/0/users/me/", "/api/0/organizations/", "/api/0/organizations/acme/"}

// RFC 6750 section 3, ASVS 10.3.1.
func TestAPIRefusesWhatIsNoTokenInForce(t *testing.T) {
	w := servertest.New(t)
	in := w.SignIn(t, cli, servertest.Ann)
	token := in.Text("access_token")
	device := w.StartDevice(t, cli)
	revoked := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	w.Post(t, revokeAt, cli, "token", revoked)
	foreign := servertest.New(t).SignIn(t, cli, servertest.Ann).Text("access_token")
	const invalid = `error="invalid_token"`
	for name, c := range map[string]struct {
		query     string
		headers   []string
		status    int
		code      string
		challenge string
	}{
		"an empty header":                         {"", []string{""}, 401, "invalid_token", invalid},
		"a scheme without a token":                {"", []string{"Bearer"}, 401, "invalid_token", invalid},
		"an empty token":                          {"", []string{"Bearer "}, 401, "invalid_token", invalid},
		"another scheme":                          {"", []string{"Basic " + token}, 401, "invalid_token", invalid},
		"DPoP, which is not served":               {"", []string{"DPoP " + token}, 401, "invalid_token", invalid},
		"a token without a scheme":                {"", []string{token}, 401, "invalid_token", invalid},
		"two headers":                             {"", []string{"Bearer " + token, "Bearer " + token}, 401, "invalid_token", invalid},
		"a client's credentials":                  {"", []string{basic(machine, servertest.Secrets[machine])}, 401, "invalid_token", invalid},
		"a token in the query":                    {"access_token=" + token, nil, 400, "invalid_request", `error="invalid_request"`},
		"a token in the query and in the header":  {"access_token=" + token, []string{"Bearer " + token}, 400, "invalid_request", `error="invalid_request"`},
		"an empty token in the query":             {"access_token=", []string{"Bearer " + token}, 400, "invalid_request", `error="invalid_request"`},
		"a token in the query, its name encoded":  {"access%5Ftoken=" + token, []string{"Bearer " + token}, 400, "invalid_request", `error="invalid_request"`},
		"a refresh token":                         {"", []string{"Bearer " + in.Text("refresh_token")}, 401, "invalid_token", invalid},
		"a refresh token called access":           {"", []string{"Bearer gat_" + in.Text("refresh_token")[4:]}, 401, "invalid_token", invalid},
		"a device code":                           {"", []string{"Bearer " + device.Text("device_code")}, 401, "invalid_token", invalid},
		"a token that is cut":                     {"", []string{"Bearer " + token[:len(token)-1]}, 401, "invalid_token", invalid},
		"a token with more at its end":            {"", []string{"Bearer " + token + "0"}, 401, "invalid_token", invalid},
		"two tokens in one header":                {"", []string{"Bearer " + token + " " + token}, 401, "invalid_token", invalid},
		"an altered token":                        {"", []string{"Bearer " + token[:40] + flip(token[40]) + token[41:]}, 401, "invalid_token", invalid},
		"a token with its prefix in another case": {"", []string{"Bearer GAT_" + token[4:]}, 401, "invalid_token", invalid},
		"a token of another installation":         {"", []string{"Bearer " + foreign}, 401, "invalid_token", invalid},
		"a revoked token":                         {"", []string{"Bearer " + revoked}, 401, "invalid_token", invalid},
	} {
		for _, path := range apiPaths {
			t.Run(name+" at "+path, func(t *testing.T) {
				r := w.Request(t, http.MethodGet, path+"?"+c.query, "")
				r.Header["Authorization"] = c.headers
				apiRefused(t, w.Do(t, r), c.status, c.code, c.challenge)
			})
		}
	}
	for _, path := range apiPaths {
		t.Run("no token at "+path, func(t *testing.T) {
			a := w.Get(t, path, "")
			apiRefused(t, a, 401, "invalid_token", "Bearer realm=")
			if challenge := a.Header.Get("WWW-Authenticate"); strings.Contains(challenge, "error") {
				t.Errorf("challenge %q, want a bare one", challenge)
			}
		})
		t.Run("a token in a form at "+path, func(t *testing.T) {
			apiRefused(t, w.Do(t, w.Request(t, http.MethodPost, path, "access_token="+token)), 405, "invalid_request", "")
		})
		t.Run("nothing of it for the right one at "+path, func(t *testing.T) {
			r := w.Request(t, http.MethodGet, path, "")
			r.Header.Set("Authorization", "bearer "+token)
			if a := w.Do(t, r); a.Status != 200 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
	}
	w.Pass(15 * time.Minute)
	for _, path := range apiPaths {
		t.Run("an expired token at "+path, func(t *testing.T) { apiRefused(t, w.Get(t, path, token), 401, "invalid_token", invalid) })
	}
}

// ASVS 10.3.2: a token for one organization is worth nothing in another.
func TestAPIRefusesOtherOrganizationsAndMissingScopes(t *testing.T) {
	w := servertest.New(t)
	person, robot := w.SignIn(t, cli, servertest.Ann).Text("access_token"), machineToken(t, w, machine)
	narrow := w.SignIn(t, cli, servertest.Ann, "scope", "project:read").Text("access_token")
	elsewhere := w.SignIn(t, servertest.GlobexCLI, servertest.Ann).Text("access_token")
	acme, globex := w.Declared.Organizations["acme"].ID, w.Declared.Organizations["globex"].ID
	const insufficient = `error="insufficient_scope"`
	for name, c := range map[string]struct {
		path, token, challenge string
		status                 int
		code                   string
	}{
		"another organization by slug":                  {"organizations/globex/", person, insufficient, 403, "insufficient_scope"},
		"another organization by ID":                    {"organizations/" + globex + "/", person, insufficient, 403, "insufficient_scope"},
		"another organization, of which she is member":  {"organizations/acme/", elsewhere, insufficient, 403, "insufficient_scope"},
		"another organization, by ID, member as well":   {"organizations/" + acme, elsewhere, insufficient, 403, "insufficient_scope"},
		"another organization, by a machine":            {"organizations/globex/", robot, insufficient, 403, "insufficient_scope"},
		"an unknown slug":                               {"organizations/nowhere/", person, insufficient, 403, "insufficient_scope"},
		"an unknown ID":                                 {"organizations/5f0e8a0e-0000-4000-8000-0000000000ee/", person, insufficient, 403, "insufficient_scope"},
		"its own slug in another case":                  {"organizations/ACME/", person, insufficient, 403, "insufficient_scope"},
		"its own slug and more":                         {"organizations/acme%20/", person, insufficient, 403, "insufficient_scope"},
		"its own organization without the scope":        {"organizations/acme/", narrow, `scope="org:read"`, 403, "insufficient_scope"},
		"its own organization by ID, without the scope": {"organizations/" + acme, narrow, `scope="org:read"`, 403, "insufficient_scope"},
		"the list without the scope":                    {"organizations/", narrow, `scope="org:read"`, 403, "insufficient_scope"},
		"a machine that asks who it is":                 {"user/", robot, "", 404, "not_found"},
		"a machine that asks who it is, by users/me":    {"users/me/", robot, "", 404, "not_found"},
	} {
		t.Run(name, func(t *testing.T) { apiRefused(t, w.Get(t, "/api/0/"+c.path, c.token), c.status, c.code, c.challenge) })
	}
	t.Run("another organization and none read alike", func(t *testing.T) {
		foreign, unknown := w.Get(t, "/api/0/organizations/globex/", person), w.Get(t, "/api/0/organizations/nowhere/", person)
		if string(foreign.Body) != string(unknown.Body) || foreign.Header.Get("WWW-Authenticate") != unknown.Header.Get("WWW-Authenticate") {
			t.Errorf("%s tells another organization from none: %s", foreign.Body, unknown.Body)
		}
	})
	t.Run("the scope that a role lost", func(t *testing.T) {
		w.Declared.Holdings["acme"][servertest.Ann.Email] = []string{"acme reader"}
		w.Declared.Roles["acme reader"].Scopes = oauth.NewScopeSet("project:read")
		w.Publish(t)
		apiRefused(t, w.Get(t, "/api/0/organizations/acme/", person), 403, "insufficient_scope", `scope="org:read"`)
	})
}

// What files declare was created at no known time.
func TestAnOrganizationOfFilesHasNoDateOfCreation(t *testing.T) {
	w := servertest.New(t)
	w.Declared.Organizations["acme"].CreatedAt = time.Time{}
	w.Publish(t)
	a := w.Get(t, "/api/0/organizations/acme/", w.SignIn(t, cli, servertest.Ann).Text("access_token"))
	if _, dated := a.JSON()["dateCreated"]; a.Status != 200 || dated {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestAPIShowsWhatTheTokenIsFor(t *testing.T) {
	w := servertest.New(t)
	person, robot := w.SignIn(t, cli, servertest.Ann).Text("access_token"), machineToken(t, w, machine)
	narrow := w.SignIn(t, cli, servertest.Ann, "scope", "project:read").Text("access_token")
	acme := w.Declared.Organizations["acme"].ID
	organization := `{"id":"` + acme + `","slug":"acme","name":"Acme","dateCreated":"2026-01-01T00:00:00Z","status":{"id":"active","name":"active"}}`
	ann := `{"id":"` + servertest.Ann.ID + `","name":"Ann","email":"ann@example.com","emails":[{"email":"ann@example.com","is_verified":true}]}`
	for path, c := range map[string]struct{ token, body string }{
		"user/":                 {person, ann},
		"users/me/":             {narrow, ann}, // any live token of a person
		"organizations/":        {person, "[" + organization + "]"},
		"organizations":         {robot, "[" + organization + "]"},
		"organizations/acme/":   {robot, organization},
		"organizations/" + acme: {person, organization},
	} {
		if a := w.Get(t, "/api/0/"+path, c.token); a.Status != 200 || string(a.Body) != c.body {
			t.Errorf("%s: %d %s, want %s", path, a.Status, a.Body, c.body)
		}
	}
	if a := w.Do(t, w.Request(t, http.MethodHead, "/api/0/user/", "")); a.Status != 401 || len(a.Body) != 0 {
		t.Errorf("HEAD: %d %q", a.Status, a.Body)
	}
}
