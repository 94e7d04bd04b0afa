package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// BenchmarkIntrospection measures the handler alone, with everything cached.
func BenchmarkIntrospection(b *testing.B) {
	w := servertest.New(b)
	t := w.SignIn(b, cli, servertest.Ann).Text("access_token")
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/oauth/introspect/", strings.NewReader("token="+t))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(machine, servertest.Secrets[machine])
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		if out.Code != http.StatusOK {
			b.Fatal(out.Body)
		}
	}
}

// BenchmarkTokenByOrigin: what a request of a script costs more than one that names no
// origin; the latter costs what it would without cross-origin requests.
func BenchmarkTokenByOrigin(b *testing.B) {
	https := func(c *server.Config) { c.Issuer = "https://auth.example.com" } // as in production, with its headers
	w := servertest.New(b, https)
	w.Declared.Applications[machine].AllowedOrigins = []string{spaOrigin}
	w.Publish(b)
	for name, origin := range map[string]string{"none": "", "registered": spaOrigin} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, tokenAt, strings.NewReader("grant_type=client_credentials"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.SetBasicAuth(machine, servertest.Secrets[machine])
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
				out := httptest.NewRecorder()
				w.Server.Handler().ServeHTTP(out, r)
				if out.Code != http.StatusOK {
					b.Fatal(out.Body)
				}
			}
		})
	}
}

// BenchmarkCodeFlow measures authorize and code exchange, durable, with nobody asked.
func BenchmarkCodeFlow(b *testing.B) {
	w := servertest.New(b)
	w.Declared.Applications[web].Consent.Mode = model.ConsentSkip
	w.Publish(b)
	browser := w.SignedIn(b, servertest.Ann)
	b.ReportAllocs()
	for b.Loop() {
		r := browser.With(httptest.NewRequest(http.MethodGet, servertest.AuthorizationRequest(web, "scope", "openid project:read"), nil))
		out := httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		to, err := url.Parse(out.Header().Get("Location"))
		if err != nil || to.Query().Get("code") == "" {
			b.Fatal(out.Code, out.Body)
		}
		form := servertest.Form("grant_type", "authorization_code", "code", to.Query().Get("code"), "code_verifier", servertest.Verifier, "redirect_uri", servertest.Redirects[web][0])
		r = httptest.NewRequest(http.MethodPost, "/oauth/token/", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(web, servertest.Secrets[web])
		out = httptest.NewRecorder()
		w.Server.Handler().ServeHTTP(out, r)
		if out.Code != http.StatusOK {
			b.Fatal(out.Body)
		}
	}
}
