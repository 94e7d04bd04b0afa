package server_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func TestPathsAreReadInOneSpellingOnly(t *testing.T) {
	w := servertest.New(t)
	for _, path := range []string{"/oauth%2Ftoken", "/oauth/to%6ben/", "/api/0/organizations/acme%2F"} {
		if a := w.Do(t, w.Request(t, http.MethodGet, path, "")); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, a.Status)
		}
	}
}

func TestRevocationsOfOneApplicationAreLimited(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	last := 0
	for range 101 {
		last = w.Post(t, "/oauth/revoke/", machine, "token", "unknown").Status
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the 101st revocation at once answered %d, want 429", last)
	}
}

func TestLongUserCodesAreNotRepeated(t *testing.T) {
	w := servertest.New(t)
	long := strings.Repeat("B", 10_000)
	a := w.Do(t, w.Request(t, http.MethodPost, "/oauth/device/", "user_code="+long))
	if got := a.Header.Get("Location"); a.Status != http.StatusSeeOther || len(got) > 200 {
		t.Errorf("%d to %d bytes of Location, want 303 to fewer than 200", a.Status, len(got))
	}
}

// fromSource posts as a trusted proxy passes it on.
func fromSource(t *testing.T, w *servertest.World, path, body, source string) servertest.Answer {
	t.Helper()
	r := w.Request(t, http.MethodPost, path, body)
	if body == "{}" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("X-Forwarded-For", source)
	return w.Do(t, r)
}

// A new endpoint cannot forget the limit: this walks everything that is served. The proof
// that a client or a token gives is what spares it.
func TestEveryPostThatProvesNothingIsLimitedBySource(t *testing.T) {
	behindProxy := func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	w := servertest.New(t, servertest.RateLimits, behindProxy)
	posts := 0
	for i, r := range w.Server.Routes() {
		if !r.Posts {
			continue
		}
		posts++
		for k := range 100 { // whatever is wrong with it, and whoever of the customer sends it
			body := []string{"a=b", "{}", "a=1&a=2", "%zz", "client_id=acme.nobody&grant_type=refresh_token"}[k%5]
			if a := fromSource(t, w, r.Path, body, fmt.Sprintf("2001:db8:0:%x::%x", i, k+1)); a.Status == http.StatusTooManyRequests {
				t.Fatalf("%s: post %d is refused: %s", r.Path, k, a.Body)
			}
		}
		a := fromSource(t, w, r.Path, "a=b", fmt.Sprintf("2001:db8:0:%x:ffff::1", i))
		if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: the 101st post of a /64 at once answers %d, want 429 with Retry-After", r.Path, a.Status)
		}
		if a := fromSource(t, w, r.Path, "a=b", fmt.Sprintf("2001:db8:1:%x::1", i)); a.Status == http.StatusTooManyRequests {
			t.Errorf("%s: another source waits too", r.Path)
		}
	}
	if posts < 6 {
		t.Errorf("%d routes take posts; is the table read?", posts)
	}
	used := func() (n int) {
		for n < 200 && fromSource(t, w, tokenAt, "a=b", "2001:db8:2::1").Status != http.StatusTooManyRequests {
			n++
		}
		return n
	}
	if n := used(); n != 100 {
		t.Errorf("%d posts at once, want 100", n)
	}
	w.Pass(time.Second)
	if n := used(); n != 20 {
		t.Errorf("%d posts a second later, want 20", n)
	}
}

func TestScaleZeroLimitsNoPost(t *testing.T) {
	w := servertest.New(t)
	for _, r := range w.Server.Routes() {
		for range 120 {
			if !r.Posts {
				break
			}
			if a := fromSource(t, w, r.Path, "a=b", "203.0.113.1"); a.Status == http.StatusTooManyRequests {
				t.Fatalf("%s is limited", r.Path)
			}
		}
	}
}

// Whoever proves it is not counted, also behind an address that others have used up.
func TestWhoProvesItIsNotCountedByItsSource(t *testing.T) {
	w := servertest.New(t, servertest.RateLimits)
	for range 150 {
		w.Post(t, tokenAt, "acme.nobody", "grant_type", "client_credentials")
	}
	for range 150 {
		if a := w.Post(t, tokenAt, machine, "grant_type", "client_credentials"); a.Status != http.StatusOK {
			t.Fatalf("a machine: %d %s", a.Status, a.Body)
		}
		if a := w.Introspect(t, machine, "unknown"); a.Status != http.StatusOK {
			t.Fatalf("an introspection: %d %s", a.Status, a.Body)
		}
	}
}
