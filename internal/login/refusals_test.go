package login_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// server is an authorization server whose answers a test spoils. It counts nothing and
// proves nothing: what it says is all that matters here.
type server struct {
	metadata, device, token map[string]any
	answer                  map[string]http.HandlerFunc // by path, instead of what it would say
	http                    *httptest.Server
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newServer(t *testing.T) (*server, *login.Client) {
	t.Helper()
	s := &server{answer: map[string]http.HandlerFunc{}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.http.Close)
	s.metadata = map[string]any{
		"issuer": s.http.URL, "token_endpoint": s.http.URL + "/token",
		"device_authorization_endpoint": s.http.URL + "/device", "revocation_endpoint": s.http.URL + "/revoke",
	}
	s.device = map[string]any{
		"device_code": "device-code", "user_code": "WDJB-MJHT", "expires_in": 600,
		"verification_uri": s.http.URL + "/enter", "verification_uri_complete": s.http.URL + "/enter?code=WDJB-MJHT",
	}
	s.token = map[string]any{"access_token": "secret-access-token", "token_type": "Bearer", "expires_in": 900, "refresh_token": "secret-refresh-token"}
	c := &login.Client{
		Issuer: s.http.URL, ClientID: "cli", HTTP: login.NewHTTP(), Now: func() time.Time { return noon },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	return s, c
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	body := map[string]map[string]any{"/.well-known/openid-configuration": s.metadata, "/device": s.device, "/token": s.token}[r.URL.Path]
	switch {
	case s.answer[r.URL.Path] != nil:
		s.answer[r.URL.Path](w, r)
	case body == nil:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}
}

// signIn goes as far as the server lets it.
func signIn(ctx context.Context, c *login.Client) (login.Tokens, error) {
	m, err := c.Discover(ctx)
	if err != nil {
		return login.Tokens{}, err
	}
	d, err := c.Begin(ctx, m, nil)
	if err != nil {
		return login.Tokens{}, err
	}
	return c.Await(ctx, m, d)
}

// idToken is a JWT that nobody signed.
func idToken(claims map[string]any) string {
	raw, _ := json.Marshal(claims)
	return "e30." + base64.RawURLEncoding.EncodeToString(raw) + ".c2ln"
}

func TestAnswersThatCannotBeTrustedAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*server)
		want  string
	}{
		"another issuer":                {func(s *server) { s.metadata["issuer"] = "https://evil.example" }, `calls itself "https://evil.example"`},
		"the issuer with a slash":       {func(s *server) { s.metadata["issuer"] = s.http.URL + "/" }, "give --issuer exactly as it does"},
		"no token endpoint":             {func(s *server) { delete(s.metadata, "token_endpoint") }, "offers no token_endpoint"},
		"no device flow":                {func(s *server) { delete(s.metadata, "device_authorization_endpoint") }, "offers no device authorization"},
		"tokens in the clear":           {func(s *server) { s.metadata["token_endpoint"] = "http://auth.example.com/token" }, "must use https"},
		"revocation in the clear":       {func(s *server) { s.metadata["revocation_endpoint"] = "http://auth.example.com/" }, "must use https"},
		"a page in the clear":           {func(s *server) { s.device["verification_uri"] = "http://auth.example.com/" }, "verification_uri is"},
		"a page that runs a script":     {func(s *server) { s.device["verification_uri_complete"] = "javascript:alert(1)" }, "verification_uri_complete is"},
		"a page that steers a terminal": {func(s *server) { s.device["verification_uri"] = s.http.URL + "/\u009b2J" }, "verification_uri is"},
		"a code that steers a terminal": {func(s *server) { s.device["user_code"] = "\x1b[2J" }, "lacks device_code, user_code"},
		"no end of the code":            {func(s *server) { delete(s.device, "expires_in") }, "expires_in"},
		"a token of another type":       {func(s *server) { s.token["token_type"] = "DPoP" }, `token_type is "DPoP"`},
		"no token type":                 {func(s *server) { delete(s.token, "token_type") }, `token_type is ""`},
		"no token":                      {func(s *server) { delete(s.token, "access_token") }, "no access_token"},
		"a token of two lines":          {func(s *server) { s.token["access_token"] = "secret-access-token\nX: y" }, "no access_token that could be used"},
		"a token endpoint that redirects": {func(s *server) {
			s.answer["/token"] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, s.http.URL+"/trap", http.StatusTemporaryRedirect)
			}
			s.answer["/trap"] = func(http.ResponseWriter, *http.Request) { panic("the redirect was followed") }
		}, "which is not followed"},
		"a page instead of JSON": {func(s *server) {
			s.answer["/token"] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }
		}, "is not JSON"},
		"JSON that is none": {func(s *server) {
			s.answer["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, `{"access_token": secret-access-token}`)
			}
		}, "cannot be understood"},
		"an answer without end": {func(s *server) {
			s.answer["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprint(w, strings.Repeat(" ", 1<<20+1))
			}
		}, "more than 1048576 bytes"},
		"words that steer a terminal": {func(s *server) {
			s.answer["/token"] = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error":"server\u001b[2J","error_description":"`+strings.Repeat("x", 5000)+`\u009b"}`)
			}
		}, "server�[2J"},
		"an ID token of another issuer": {func(s *server) {
			s.token["id_token"] = idToken(map[string]any{"iss": "https://evil.example", "aud": "cli", "iat": 1, "exp": 601})
		}, "another issuer"},
		"an ID token for another client": {func(s *server) {
			s.token["id_token"] = idToken(map[string]any{"iss": s.http.URL, "aud": []string{"other"}, "iat": 1, "exp": 601})
		}, "not for cli"},
		"an ID token for nobody": {func(s *server) {
			s.token["id_token"] = idToken(map[string]any{"iss": s.http.URL, "iat": 1, "exp": 601})
		}, "no audience"},
		"an ID token that has ended": {func(s *server) {
			s.token["id_token"] = idToken(map[string]any{"iss": s.http.URL, "aud": "cli", "iat": 601, "exp": 601})
		}, "ends before it begins"},
		"an ID token that is none": {func(s *server) { s.token["id_token"] = "secret-id-token" }, "not a signed JWT"},
	} {
		t.Run(name, func(t *testing.T) {
			s, client := newServer(t)
			c.spoil(s)
			_, err := signIn(t.Context(), client)
			switch {
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v, want %q in it", err, c.want)
			case strings.Contains(err.Error(), "secret-") || strings.ContainsAny(err.Error(), "\x1b\u009b\n") || len(err.Error()) > 1000:
				t.Errorf("not fit to be shown: %q", err)
			}
		})
	}
}

func TestAServerThatSpeaksOnlyOAuthWillDo(t *testing.T) {
	s, c := newServer(t)
	s.answer["/.well-known/openid-configuration"] = http.NotFound
	s.answer["/.well-known/oauth-authorization-server"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.metadata)
	}
	if got, err := signIn(t.Context(), c); err != nil || got.Refresh != "secret-refresh-token" {
		t.Error(err)
	}
}

func TestAServerThatWantsTheScopeNamedIsAskedForTheProtocols(t *testing.T) {
	s, c := newServer(t)
	s.metadata["scopes_supported"] = []string{"openid", "email", "address"}
	var asked []string
	s.answer["/device"] = func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("scope"))
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("scope") == "" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_scope"}`)
			return
		}
		_ = json.NewEncoder(w).Encode(s.device)
	}
	if _, err := signIn(t.Context(), c); err != nil || !slices.Equal(asked, []string{"", "email openid"}) {
		t.Errorf("%v: asked for %q", err, asked)
	}
}

func TestAnIDTokenLastsAsLongAsItSaysByTheClockOfThisMachine(t *testing.T) {
	s, c := newServer(t)
	s.token["id_token"] = idToken(map[string]any{"iss": s.http.URL, "aud": []string{"other", "cli"}, "iat": 1000, "exp": 1600})
	got, err := signIn(t.Context(), c)
	if err != nil || got.IDExpires.Sub(noon) != 10*time.Minute || !got.IDFresh(noon.Add(8*time.Minute)) || got.IDFresh(noon.Add(9*time.Minute)) || got.IDFresh(noon.Add(-time.Second)) {
		t.Errorf("until %v: %v", got.IDExpires, err)
	}
}

// What a server leaves out of a refresh stays as it was (RFC 6749 sections 5.1 and 6).
func TestARefreshKeepsWhatTheAnswerLeavesOut(t *testing.T) {
	s, c := newServer(t)
	before := login.Tokens{Refresh: "old", ID: "old", Scopes: oauth.NewScopeSet("a"), Person: login.Person{ID: "ann"}}
	delete(s.token, "refresh_token")
	m, err := c.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Refresh(t.Context(), m, before)
	if err != nil || got.Refresh != "old" || got.ID != "" || !got.Scopes.Has("a") || got.Person.ID != "ann" || got.Access != "secret-access-token" {
		t.Errorf("%v: kept %q, %v, %v", err, string(got.Refresh), got.Scopes, got.Person)
	}
}

func TestAServerThatIsBusyIsAskedAgainWhenItSaid(t *testing.T) {
	s, c := newServer(t)
	var waited []time.Duration
	now := noon
	c.Now = func() time.Time { return now }
	c.Wait = func(_ context.Context, d time.Duration) error {
		waited, now = append(waited, d), now.Add(d)
		return nil
	}
	m, err := c.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := "2"
	s.answer["/token"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	var away *login.Away
	if _, err = c.Refresh(t.Context(), m, login.Tokens{Refresh: "old"}); !errors.As(err, &away) || len(waited) != 3 || waited[0] != 2*time.Second {
		t.Errorf("%v, waited %v", err, waited)
	}
	after, waited = "60", nil
	if _, err = c.Refresh(t.Context(), m, login.Tokens{Refresh: "old"}); !errors.As(err, &away) || len(waited) != 0 {
		t.Errorf("%v, waited %v for a refresh token that a minute later counts as stolen", err, waited)
	}
}

func TestOnlyIssuersThatNobodyCanListenToAreServed(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://auth.example.com": true, "https://auth.example.com/tenant": true, "http://localhost:8080": true, "http://127.0.0.1:1": true, "http://[::1]:1": true,
		"http://auth.example.com": false, "http://localhost.example.com": false, "http://10.0.0.1": false, "ftp://localhost": false,
		"auth.example.com": false, "": false, "https://": false, "https://a@b.example": false, "https://a.example?": false, "https://a.example#": false,
	} {
		if err := login.CheckIssuer(issuer); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}
