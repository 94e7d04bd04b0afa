package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// ASVS 10.4.7: no registration.
func TestWhatIsNotServedIsNotThere(t *testing.T) {
	w := servertest.New(t)
	for _, path := range []string{
		"/oauth/register/", "/oauth/par/", "/.well-known/webfinger", "/account/tokens/", "/debug/pprof/", "/metrics", "/api/0/",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if a := w.Do(t, w.Request(t, method, path, "")); a.Status != 404 {
				t.Errorf("%s %s: %d, want 404", method, path, a.Status)
			}
		}
	}
}

// RFC 9700 B-2.6d: from an origin that no application registered, scripts read the metadata
// and nothing else.
func TestScriptsOfOtherSitesReadOnlyTheMetadata(t *testing.T) {
	w := servertest.New(t)
	for _, path := range []string{
		tokenAt, "/oauth/device/code/", "/oauth/introspect/", revokeAt, "/api/0/user/", "/oauth/device/", "/login/",
	} {
		for _, method := range []string{http.MethodOptions, http.MethodGet, http.MethodPost} {
			r := w.Request(t, method, path, "")
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			for name := range w.Do(t, r).Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s answers with %s", method, path, name)
				}
			}
		}
	}
}
