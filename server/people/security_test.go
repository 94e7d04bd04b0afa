package people

import (
	"context"
	"errors"
	"testing"
)

// ASVS 6.3.8: whoever is refused is refused after the same work. With every hash under way
// taken, nobody gets past the step at which one is computed, not even somebody unknown.
func TestTheHashIsComputedWhoeverAsks(t *testing.T) {
	a, u := ann(t)
	u.Email, u.Disabled = "disabled@example.com", true
	a[u.Email] = u
	u.Email, u.Disabled, u.PasswordHash = "nopassword@example.com", false, ""
	a[u.Email] = u
	d := NewDirectory(a)
	for range cap(d.slots) {
		d.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, email := range []string{"ann@example.com", "disabled@example.com", "nopassword@example.com", "nobody@example.com", ""} {
		if _, err := d.SignIn(ctx, start, email, right); !errors.Is(err, ErrBusy) {
			t.Errorf("%q: got %v, want it to wait for its turn", email, err)
		}
	}
}
