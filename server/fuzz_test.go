package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// FuzzTokenForm: whatever is sent by somebody who knows no secret and no code, the answer
// is a refusal in JSON: no fault of ours, and no tokens.
func FuzzTokenForm(f *testing.F) {
	w := servertest.New(f)
	in := w.SignIn(f, cli, servertest.Ann)
	for _, body := range []string{
		"", "grant_type=client_credentials", "grant_type=client_credentials&client_id=" + machine + "&client_secret=guess",
		"grant_type=client_credentials&client_id=" + cli,
		"grant_type=" + servertest.DeviceGrant + "&client_id=" + cli + "&device_code=guess",
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=grt_guess&scope=org%3Aread",
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=" + in.Text("access_token"),
		"grant_type=refresh_token&client_id=" + cli + "&refresh_token=" + in.Text("refresh_token")[:60],
		"grant_type=%00&client_id=%ff", "a=1&a=2", "a;b", strings.Repeat("&", 1000),
	} {
		f.Add(body, "")
		f.Add(body, basic(machine, "guess"))
	}
	f.Add("grant_type=client_credentials", "Basic "+strings.Repeat("=", 100))
	f.Fuzz(func(t *testing.T, body, authorization string) {
		r := httptest.NewRequest(http.MethodPost, tokenAt, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		a := servertest.Answer{Status: out.Code, Header: out.Header(), Body: out.Body.Bytes()}
		if a.Status < 400 || a.Status >= 500 || a.Text("error") == "" || a.Text("access_token") != "" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

// FuzzAuthorizationRequest: whatever a link says, the answer goes to a registered redirect
// URI or nowhere, and it has no code: nobody has agreed to anything.
func FuzzAuthorizationRequest(f *testing.F) {
	w := servertest.New(f)
	b := w.SignedIn(f, servertest.Ann)
	for _, client := range []string{web, site, spa, native, abroad} {
		f.Add(strings.TrimPrefix(servertest.AuthorizationRequest(client), "/oauth/authorize/?"))
		f.Add(strings.TrimPrefix(servertest.AuthorizationRequest(client, "scope", "openid org:read", "prompt", "none", "max_age", "1", "nonce", "n"), "/oauth/authorize/?"))
	}
	for _, uri := range []string{"http://127.0.0.1:99999/callback", "http://127.0.0.1:1@evil.example/callback", "//evil.example", "javascript:alert(1)", "com.example.app:/callback#"} {
		f.Add(strings.TrimPrefix(servertest.AuthorizationRequest(native, "redirect_uri", uri), "/oauth/authorize/?"))
	}
	f.Add("client_id=%ff&redirect_uri=%00&response_type=code&organization=../acme")
	f.Fuzz(func(t *testing.T, query string) {
		r := b.With(httptest.NewRequest(http.MethodGet, "/oauth/authorize/", nil))
		r.URL.RawQuery = query
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		to := out.Header().Get("Location")
		switch {
		case out.Code >= 500:
			t.Fatalf("%d %s", out.Code, out.Body)
		case to == "":
			return
		case strings.Contains(to, "code=") && !strings.Contains(query, "code"):
			t.Fatalf("a code for %q: %s", query, to)
		}
		sent := r.URL.Query().Get("redirect_uri")
		ours := strings.HasPrefix(to, "/login/?")
		for client, uris := range servertest.Redirects {
			for _, uri := range uris {
				ours = ours || strings.HasPrefix(to, uri+"?") || strings.HasPrefix(to, uri+"&")
				loopback := client == native && strings.HasPrefix(uri, "http:") && strings.HasPrefix(sent, uri[:strings.LastIndex(uri, "/")])
				ours = ours || loopback && strings.HasPrefix(to, sent+"?")
			}
		}
		if !ours {
			t.Fatalf("%q leads to %q", query, to)
		}
	})
}

// FuzzCookies: no cookie that we did not make signs anybody in.
func FuzzCookies(f *testing.F) {
	w := servertest.New(f)
	for _, header := range []string{"gatehouse-dev=x", "gatehouse-dev=x; gatehouse-dev=y; gatehouse-form-dev=AAAAAAAAAAAAAAAAAAAAAA", "__Host-gatehouse=x", ";;;=", "gatehouse-dev=\"\x00\""} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest(http.MethodGet, servertest.AuthorizationRequest(web), nil)
		r.Header.Set("Cookie", header)
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		if out.Code != http.StatusSeeOther || !strings.HasPrefix(out.Header().Get("Location"), "/login/") {
			t.Fatalf("%q: %d to %q", header, out.Code, out.Header().Get("Location"))
		}
	})
}

// FuzzConsentForm: no form that we did not seal is taken.
func FuzzConsentForm(f *testing.F) {
	w := servertest.New(f)
	b := w.SignedIn(f, servertest.Ann)
	form := b.Authorize(f, web).Form(f, "/oauth/consent/")
	f.Add(form.Get("request")[1:], form.Get("token"), "approve")
	f.Add(form.Get("request")+"A", form.Get("token"), "approve")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, request, token, decision string) {
		if request == form.Get("request") && token == form.Get("token") {
			return // the one that we made
		}
		body := servertest.Form("request", request, "token", token, "decision", decision).Encode()
		r := b.With(httptest.NewRequest(http.MethodPost, "/oauth/consent/", strings.NewReader(body)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		if out.Code/100 != 4 || out.Header().Get("Location") != "" {
			t.Fatalf("%d to %q", out.Code, out.Header().Get("Location"))
		}
	})
}
