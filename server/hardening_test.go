package server_test

import (
	"net/http"
	"strings"
	"testing"

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
