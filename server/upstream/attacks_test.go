package upstream_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

// Whoever sits at the browser of somebody else can take prompt and max_age out of the address
// on the way, and the provider's own session answers: a provider that says auth_time says it
// where it was asked for.
func TestAProviderThatSaysTheTimeSaysItWhereItWasAskedFor(t *testing.T) {
	for says, ok := range map[string]bool{"sub": true, "auth_time": false} {
		h := newHouse(t)
		h.Edit(func(e *upstreamtest.Edits) {
			e.Discovery = func(m map[string]any) { m["claims_supported"] = []string{says} }
			claim("auth_time", nil)(e)
		})
		if _, err := h.attempt(t, upstream.Attempt{}); err != nil {
			t.Errorf("%s, not asked for: %v", says, err)
		}
		if _, err := h.attempt(t, upstream.Attempt{Again: true}); (err == nil) != ok || err != nil && !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%s, asked for: %v", says, err)
		}
	}
}

// What a provider calls a token is kept for every one of its subjects.
func TestTokensThatWouldFillTheStoreAreRefused(t *testing.T) {
	for name, field := range map[string]string{"refresh": "refresh_token", "access": "access_token"} {
		h := newHouse(t, offline)
		h.Edit(func(e *upstreamtest.Edits) {
			e.Token = func(a map[string]any) { a[field] = strings.Repeat("x", 16<<10+1) }
		})
		if _, err := h.attempt(t, upstream.Attempt{}); !errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), "more than 16 KiB") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever waits for a directory counts among those who wait for their organization: one that
// hangs does not take all the places in which this process works.
func TestASlowDirectoryHoldsUpFew(t *testing.T) {
	const people = 100
	d := upstreamtest.NewDirectory(t)
	hold := make(chan struct{})
	d.Greets(func(net.Conn) bool { <-hold; return false })
	b := upstream.NewBackends(upstreamtest.Env(upstreamtest.Loopback))
	p := d.Provider()
	p.OrganizationID = "org_evil"
	configured(t, b, p)
	results := make(chan error, people)
	for range people {
		go func() {
			_, err := of(t, b, p.UID).Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Username: "ann", Password: "x"})
			results <- err
		}()
	}
	for range people - 64 {
		if err := <-results; !errors.Is(err, upstream.ErrUnavailable) || !errors.Is(err, outbound.ErrBusy) {
			t.Errorf("%v", err)
		}
	}
	close(hold)
	for range 64 {
		if err := <-results; errors.Is(err, outbound.ErrBusy) {
			t.Errorf("%v", err)
		}
	}
}
