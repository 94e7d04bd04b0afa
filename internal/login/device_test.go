package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

func begin(t *testing.T, c *login.Client, scopes ...string) (login.Metadata, login.Device) {
	t.Helper()
	m := discover(t, c)
	d, err := c.Begin(t.Context(), m, oauth.NewScopeSet(scopes...))
	if err != nil {
		t.Fatal(err)
	}
	return m, d
}

func TestAPersonSignsIn(t *testing.T) {
	w := servertest.New(t)
	c, between := client(w, servertest.CLI)
	m, d := begin(t, c)
	if d.Page != w.HTTP.URL+"/oauth/device/" || d.PageAndCode != d.Page+"?user_code="+d.UserCode || d.Expires.Sub(w.Now()) != 10*time.Minute {
		t.Errorf("%+v", d)
	}
	approveAfter(t, w, c, d, 3)
	got, err := c.Await(t.Context(), m, d)
	if err != nil {
		t.Fatal(err)
	}
	if between.count(tokenPath) != 3 {
		t.Errorf("%d polls, want one for each wait", between.count(tokenPath))
	}
	if got.Person != (login.Person{ID: servertest.Ann.ID, Name: "Ann", Email: "ann@example.com"}) || got.Organization.Slug != "acme" ||
		got.Refresh == "" || got.AccessExpires.Sub(w.Now()) != 15*time.Minute {
		t.Errorf("%+v", got)
	}
	if a := w.Get(t, "/api/0/organizations/", string(got.Access)); a.Status != http.StatusOK {
		t.Errorf("the access token is good for nothing: %d %s", a.Status, a.Body)
	}
}

// Whoever names no scope gets what the application may ask for, and what the login needs
// itself.
func TestALoginWithoutScopesMayDoWhatTheApplicationMay(t *testing.T) {
	w := servertest.New(t)
	for _, c := range []struct{ asked, want []string }{
		{nil, []string{"offline_access", "org:read", "project:read", "project:write"}},
		{[]string{"project:read"}, []string{"offline_access", "project:read"}},
	} {
		client, _ := client(w, servertest.CLI)
		m, d := begin(t, client, c.asked...)
		approveAfter(t, w, client, d, 1)
		got, err := client.Await(t.Context(), m, d)
		if err != nil {
			t.Fatal(err)
		}
		if missing := oauth.NewScopeSet(c.want...).Without(got.Scopes); len(missing) > 0 || got.Scopes.Has("project:write") != (c.asked == nil) {
			t.Errorf("asked for %v, got %v", c.asked, got.Scopes)
		}
	}
}

// The server's clock stands still, so that each poll is too fast for it.
func TestSlowDownAddsFiveSecondsForGood(t *testing.T) {
	w := servertest.New(t)
	c, _ := client(w, servertest.CLI)
	m, d := begin(t, c)
	var pauses []time.Duration
	c.Wait = func(ctx context.Context, pause time.Duration) error {
		if pauses = append(pauses, pause); len(pauses) == 4 {
			w.Approve(t, d.UserCode, servertest.Ann)
		}
		return ctx.Err()
	}
	if _, err := c.Await(t.Context(), m, d); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{5e9, 5e9, 10e9, 15e9}; !slices.Equal(pauses, want) {
		t.Errorf("waited %v, want %v", pauses, want)
	}
}

func TestNetworkTroubleIsWaitedOutMoreAndMoreSlowly(t *testing.T) {
	w := servertest.New(t)
	c, between := client(w, servertest.CLI)
	m, d := begin(t, c)
	polls := 0
	between.before = func(*http.Request) error {
		if polls++; polls <= 3 {
			return errWire
		}
		return nil
	}
	var pauses []time.Duration
	c.Wait = func(ctx context.Context, pause time.Duration) error {
		w.Pass(pause)
		if pauses = append(pauses, pause); len(pauses) == 5 {
			w.Approve(t, d.UserCode, servertest.Ann)
		}
		return ctx.Err()
	}
	if _, err := c.Await(t.Context(), m, d); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{5e9, 10e9, 20e9, 40e9, 5e9}; !slices.Equal(pauses, want) {
		t.Errorf("waited %v, want %v", pauses, want)
	}
}

func TestWhatEndsTheWait(t *testing.T) {
	w := servertest.New(t)
	t.Run("denied", func(t *testing.T) {
		c, _ := client(w, servertest.CLI)
		m, d := begin(t, c)
		w.Deny(t, d.UserCode)
		if _, err := c.Await(t.Context(), m, d); !errors.Is(err, login.ErrDenied) {
			t.Error(err)
		}
	})
	t.Run("nobody comes", func(t *testing.T) {
		c, between := client(w, servertest.CLI)
		m, d := begin(t, c)
		polls := between.count(tokenPath)
		if _, err := c.Await(t.Context(), m, d); !errors.Is(err, login.ErrExpired) || between.count(tokenPath) == polls {
			t.Error(err)
		}
	})
	t.Run("the server's clock is ahead", func(t *testing.T) {
		c, _ := client(w, servertest.CLI)
		m, d := begin(t, c)
		d.Expires = d.Expires.Add(time.Hour)
		w.Pass(11 * time.Minute)
		if _, err := c.Await(t.Context(), m, d); !errors.Is(err, login.ErrExpired) {
			t.Error(err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		c, between := client(w, servertest.CLI)
		m, d := begin(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		between.before = func(*http.Request) error { cancel(); return errWire }
		if _, err := c.Await(ctx, m, d); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestUnknownClientsAndScopesAreRefusedWithTheServersWords(t *testing.T) {
	w := servertest.New(t)
	for _, c := range []struct{ client, scope, code string }{
		{"acme.none", "", oauth.InvalidClient}, {servertest.CLI, "no:such", oauth.InvalidScope},
	} {
		client, _ := client(w, c.client)
		var refused *login.Refusal
		_, err := client.Begin(t.Context(), discover(t, client), oauth.NewScopeSet(strings.Fields(c.scope)...))
		if !errors.As(err, &refused) || refused.Code != c.code {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestATokenDoesNotPrintItself(t *testing.T) {
	w := servertest.New(t)
	c, _ := client(w, servertest.CLI)
	m, d := begin(t, c)
	approveAfter(t, w, c, d, 1)
	got, err := c.Await(t.Context(), m, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if text := fmt.Sprintf(verb+verb, got, d); strings.Contains(text, string(got.Access)) || strings.Contains(text, string(got.Refresh)) || strings.Contains(text, fmt.Sprintf("%x", string(got.Access))) {
			t.Errorf("%s shows a token", verb)
		}
	}
}
