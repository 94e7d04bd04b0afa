package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
