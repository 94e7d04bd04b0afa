package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const introspectAt = "/oauth/introspect/"

func inactive(t *testing.T, w *servertest.World, token string) {
	t.Helper()
	a := w.Introspect(t, machine, token)
	if a.Status != 200 || string(a.Body) != `{"active":false}` {
		t.Errorf("got %d %s, want exactly {\"active\":false}", a.Status, a.Body)
	}
}

func active(t *testing.T, w *servertest.World, token, scope string) {
	t.Helper()
	a := w.Introspect(t, machine, token)
	if a.JSON()["active"] != true || a.Text("scope") != scope {
		t.Errorf("got %s, want active with %q", a.Body, scope)
	}
}

func machineToken(t *testing.T, w *servertest.World, client string) string {
	t.Helper()
	a := w.Post(t, tokenAt, client, "grant_type", "client_credentials")
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	return a.Text("access_token")
}

func TestIntrospectionTellsWhatATokenIsWorthNow(t *testing.T) {
	w := servertest.New(t)
	token := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	a := w.Introspect(t, machine, token)
	for name, want := range map[string]string{
		"sub": servertest.Ann.ID, "client_id": cli, "org": "acme", "org_id": w.Declared.Organizations["acme"].ID,
		"iss": w.HTTP.URL, "aud": w.HTTP.URL + "/organizations/acme", "token_type": "Bearer",
	} {
		if a.Text(name) != want {
			t.Errorf("%s is %q, want %q", name, a.Text(name), want)
		}
	}
	own := w.Introspect(t, servertest.Gateway, machineToken(t, w, servertest.Gateway))
	if own.Text("sub") != servertest.Gateway {
		t.Errorf("a machine's sub is %q", own.Text("sub"))
	}
}

func TestAlteredOrTruncatedTokenIsInactive(t *testing.T) {
	w := servertest.New(t)
	token := machineToken(t, w, machine)
	for i := range len(token) {
		inactive(t, w, token[:i]+flip(token[i])+token[i+1:])
	}
	for _, altered := range []string{token[:len(token)-1], token + "0", token[4:], "gat_", "x"} {
		inactive(t, w, altered)
	}
	foreign := machineToken(t, servertest.New(t), machine)
	inactive(t, w, foreign)
}

func TestIntrospectionRefuses(t *testing.T) {
	w := servertest.New(t)
	token := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	for name, c := range map[string]struct {
		client string
		pairs  []string
		status int
		code   string
	}{
		"a public client":                   {cli, []string{"token", token}, 401, "invalid_client"},
		"whoever has the token":             {"", []string{"token", token}, 401, "invalid_client"},
		"a request without a token":         {machine, nil, 400, "invalid_request"},
		"an empty token":                    {machine, []string{"token", ""}, 400, "invalid_request"},
		"the token twice":                   {machine, []string{"token", token, "token", token}, 400, "invalid_request"},
		"a public client, before the token": {cli, nil, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, w.Post(t, introspectAt, c.client, c.pairs...), c.status, c.code) })
	}
	t.Run("a token that speaks for itself", func(t *testing.T) { // RFC 7662 section 2.1 allows it; we do not
		r := w.Request(t, "POST", introspectAt, "token="+token)
		r.Header.Set("Authorization", "Bearer "+token)
		refused(t, w.Do(t, r), 401, "invalid_client")
	})
}

// RFC 7662 section 2.2: nothing but this is said of what may not be used, or not be seen.
func TestIntrospectionSaysInactiveAndNothingElse(t *testing.T) {
	w := servertest.New(t)
	in := w.SignIn(t, cli, servertest.Ann)
	device := w.StartDevice(t, cli)
	revoked := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	w.Post(t, revokeAt, cli, "token", revoked)
	other := w.SignIn(t, servertest.GlobexCLI, servertest.Ann).Text("access_token")
	token := in.Text("access_token")
	for name, c := range map[string]struct{ client, token string }{
		"a token of another client of its organization": {servertest.Gateway, token},
		"a machine's token of another client":           {servertest.Gateway, machineToken(t, w, machine)},
		"a token of another organization":               {machine, other},
		"a token of its neighbour's":                    {servertest.GlobexBot, token},
		"a token of a confidential device client":       {servertest.Box, token},
		"a refresh token":                               {machine, in.Text("refresh_token")},
		"a refresh token called access":                 {machine, "gat_" + in.Text("refresh_token")[4:]},
		"a device code":                                 {machine, device.Text("device_code")},
		"a user code":                                   {machine, device.Text("user_code")},
		"a revoked token":                               {machine, revoked},
		"an unknown token":                              {machine, "gat_unknown"},
		"the prefix alone":                              {machine, "gat_"},
		"a token without its prefix":                    {machine, token[4:]},
		"a token that is cut":                           {machine, token[:len(token)-1]},
		"a token with more at its end":                  {machine, token + "0"},
		"a token behind a space":                        {machine, " " + token},
		"a personal token, which is not served":         {machine, "gpt_" + token[4:]},
		"a JWT, which is not served":                    {machine, "eyJhbGciOiJub25lIn0.e30."},
		"what is no text":                               {machine, "gat_\xff\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.Introspect(t, c.client, c.token)
			if a.Status != 200 || string(a.Body) != `{"active":false}` {
				t.Errorf("got %d %s, want exactly {\"active\":false}", a.Status, a.Body)
			}
		})
	}
	active(t, w, token, "org:read project:read project:write")
}

func TestWhatEndsATokenEndsItAtOnce(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *servertest.World){
		"the application is deleted":   func(_ *testing.T, w *servertest.World) { delete(w.Declared.Applications, cli) },
		"the application is suspended": func(_ *testing.T, w *servertest.World) { w.Declared.Applications[cli].Suspended = true },
		"the application expires":      func(_ *testing.T, w *servertest.World) { w.Declared.Applications[cli].ExpiresAt = w.Now() },
		"the organization is deleted":  func(_ *testing.T, w *servertest.World) { delete(w.Declared.Organizations, "acme") },
		"the organization is made anew": func(_ *testing.T, w *servertest.World) {
			w.Declared.Organizations["acme"].ID = "5f0e8a0e-0000-4000-8000-0000000000fe"
		},
		"the organization is suspended":  func(_ *testing.T, w *servertest.World) { w.Declared.Organizations["acme"].Suspended = true },
		"the person loses the last role": func(_ *testing.T, w *servertest.World) { delete(w.Declared.Holdings["acme"], servertest.Ann.Email) },
		"the role's time is over":        func(_ *testing.T, w *servertest.World) { w.Declared.NotAfter["acme developer"] = w.Now() },
		"the provider no longer counts":  func(_ *testing.T, w *servertest.World) { w.Declared.Organizations["acme"].Providers = nil },
		"the application is made anew": func(_ *testing.T, w *servertest.World) {
			w.Declared.Applications[cli].UID = "5f0e8a0e-0000-4000-8000-0000000000ff"
		},
		"the application comes back": comesBack,
		"the organization comes back": func(t *testing.T, w *servertest.World) {
			acme := w.Declared.Organizations["acme"]
			delete(w.Declared.Organizations, "acme")
			w.Publish(t)
			w.Declared.Organizations["acme"] = acme
			w.Pass(time.Second)
		},
		"the person's account is disabled": func(t *testing.T, w *servertest.World) {
			if err := w.Store.SetDisabled(t.Context(), servertest.Ann.ID, true, store.Event{Time: w.Now()}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			signedIn := w.SignIn(t, cli, servertest.Ann)
			active(t, w, signedIn.Text("access_token"), "org:read project:read project:write")
			w.Pass(time.Second)
			end(t, w)
			w.Publish(t)
			a := w.Post(t, "/oauth/introspect/", machine, "token", signedIn.Text("access_token"))
			if strings.Contains(string(a.Body), `"active":true`) {
				t.Errorf("introspection says %s", a.Body)
			}
			if a := w.Get(t, "/api/0/user/", signedIn.Text("access_token")); a.Status != 401 {
				t.Errorf("the API answers %d %s", a.Status, a.Body)
			}
			if a := w.Refresh(t, cli, signedIn.Text("refresh_token")); a.Status == 200 {
				t.Error("the refresh token still works")
			}
		})
	}
}

// comesBack: deleted and declared again under the same UID, as a restored backup would.
func comesBack(t *testing.T, w *servertest.World) {
	app := w.Declared.Applications[cli]
	delete(w.Declared.Applications, cli)
	w.Publish(t)
	w.Declared.Applications[cli] = app
	w.Pass(time.Second)
}

func TestScopesInEffectFollowRoleAndCeiling(t *testing.T) {
	w := servertest.New(t)
	token := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	w.Declared.Holdings["acme"][servertest.Ann.Email] = []string{"acme reader"}
	w.Publish(t)
	active(t, w, token, "org:read project:read")
	w.Declared.Applications[cli].Scopes = w.Declared.Applications[servertest.Box].Scopes
	w.Publish(t)
	active(t, w, token, "org:read")
	w.Declared.Holdings["acme"][servertest.Ann.Email] = []string{"acme developer"}
	w.Declared.Applications[cli].Scopes = w.Declared.Applications[machine].Scopes
	w.Publish(t)
	active(t, w, token, "org:read project:read project:write")
}

func TestAccessTokenExpires(t *testing.T) {
	w := servertest.New(t)
	token := machineToken(t, w, machine)
	w.Pass(15*time.Minute - time.Millisecond)
	active(t, w, token, "org:read project:read")
	w.Pass(time.Millisecond)
	inactive(t, w, token)
}

func TestStoreThatDoesNotAnswerIsNeverTakenForDone(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	device := w.StartDevice(t, cli)
	if err := w.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for path, a := range map[string]servertest.Answer{
		"revoke":  w.Post(t, "/oauth/revoke/", cli, "token", signedIn.Text("access_token")),
		"device":  w.Post(t, "/oauth/device/code/", cli),
		"refresh": w.Refresh(t, cli, signedIn.Text("refresh_token")),
		"poll":    w.Poll(t, servertest.OtherCLI, device.Text("device_code")+"x"),
	} {
		if a.Status != 503 || a.Text("error") != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s, want 503 with Retry-After", path, a.Status, a.Body)
		}
	}
}
