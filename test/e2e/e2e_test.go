// Package e2e is the main job on real input: resources applied with kubectl to a real
// kube-apiserver become a running authorization server, and a client that nobody here
// wrote signs in by device flow and gets a token that works in its organization and
// nowhere else, until somebody takes it back.
package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

const (
	demo     = "demo@example.com"
	password = "correct horse battery staple"
	samples  = "../../config/samples"
)

// kinds as kubectl names them, with their names in the samples.
var kinds = []string{"organization", "apiapplication", "authrole", "authprovider"}

func TestDeclaredWithKubectlServedToAnyClient(t *testing.T) {
	h := build(t)
	h.serve()
	h.kubectl("apply", "-f", samples)
	for _, kind := range kinds {
		h.kubectl("wait", "--for=condition=Ready", "--timeout=30s", "--all-namespaces", "--all", kind)
	}
	leaks.Remember(password)
	h.gatehouse(password, "user", "create", demo, "--password-stdin", "--data-dir", h.data)

	t.Run("a token works in its organization and nowhere else", func(t *testing.T) {
		token := h.signIn(t, 0)
		if answer := h.ask(t, token, "acme"); answer.status != http.StatusOK || answer.body["slug"] != "acme" {
			t.Errorf("its own organization: %v", answer)
		}
		if answer := h.ask(t, token, "globex"); answer.status != http.StatusForbidden || answer.code() != "insufficient_scope" {
			t.Errorf("another organization: %v, want 403 insufficient_scope", answer)
		}
	})
	t.Run("a Pod's own token is its credential", h.podsProveThemselves)
	t.Run("a restart changes nothing", func(t *testing.T) {
		token := h.signIn(t, quickly)
		before := h.versions()
		h.stop()
		h.serve()
		h.expect(t, token, http.StatusOK)
		if after := h.versions(); !slices.Equal(before, after) {
			t.Errorf("status was written:\n%s\nnow\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
	})
	for _, r := range refusals {
		t.Run(r.name+" refuses within a second", func(t *testing.T) {
			token := h.signIn(t, quickly)
			h.expect(t, token, http.StatusOK)
			t.Logf("refused after %v", h.refused(t, token, r.act(h)))
			if _, err := h.client.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err == nil {
				t.Error("the refresh token still works")
			}
			r.restore(h)
			h.expect(t, h.signIn(t, quickly), http.StatusOK)
			if r.forGood {
				h.expect(t, token, http.StatusUnauthorized)
			}
		})
	}
	t.Run("what was made anew goes on once it is adopted", h.madeAnew)
}

// refusals are the ways to take back what a token may do.
var refusals = []struct {
	name    string
	act     func(*house) time.Time // does it, and returns when it takes effect
	restore func(*house)
	forGood bool // an old token stays dead when a new one works again
}{
	{
		name:    "removing the Role's subject",
		act:     atOnce(func(h *house) { h.patch("authrole/developer", `{"spec":{"subjects":null}}`) }),
		restore: (*house).applySamples,
	},
	{
		name:    "disabling the person",
		act:     atOnce(func(h *house) { h.gatehouse("", "user", "disable", demo, "--data-dir", h.data) }),
		restore: func(h *house) { h.gatehouse("", "user", "enable", demo, "--data-dir", h.data) },
		forGood: true,
	},
	{
		name:    "suspending the ApiApplication",
		act:     atOnce(func(h *house) { h.patch("apiapplication/cli", `{"spec":{"suspend":true}}`) }),
		restore: func(h *house) { h.patch("apiapplication/cli", `{"spec":{"suspend":null}}`); h.ready() },
	},
	{
		name: "expiring the ApiApplication",
		act: func(h *house) time.Time {
			soon := time.Now().Add(2 * time.Second)
			h.patch("apiapplication/cli", fmt.Sprintf(`{"spec":{"expiresAt":%q}}`, soon.UTC().Format(time.RFC3339Nano)))
			return later(soon, time.Now())
		},
		restore: func(h *house) {
			h.kubectl("wait", "-n", "acme", "--for=jsonpath={.status.conditions[?(@.type=='Ready')].reason}=Expired", "--timeout=60s", "apiapplication/cli")
			h.patch("apiapplication/cli", `{"spec":{"expiresAt":null}}`)
			h.ready()
		},
	},
	{
		name: "re-creating the ApiApplication",
		act: atOnce(func(h *house) {
			manifest := h.kubectl("get", "-n", "acme", "apiapplication/cli", "-o", "json")
			h.kubectlStdin(manifest, "replace", "--force", "-f", "-")
		}),
		restore: (*house).ready,
		forGood: true,
	},
	{
		name:    "deleting the ApiApplication",
		act:     atOnce(func(h *house) { h.kubectl("delete", "-n", "acme", "apiapplication/cli") }),
		restore: (*house).applySamples,
		forGood: true,
	},
	{
		name: "deleting the Organization",
		act: atOnce(func(h *house) {
			h.patch("organization/acme", `{"spec":{"deletionPolicy":"Delete"}}`)
			h.kubectl("delete", "-n", "acme", "organization/acme")
		}),
		restore: (*house).applySamples,
		forGood: true,
	},
}

func atOnce(act func(*house)) func(*house) time.Time {
	return func(h *house) time.Time {
		act(h)
		return time.Now() // the command has returned
	}
}

// later is when both have come: a command may take longer than its author thought.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (h *house) applySamples() {
	h.t.Helper()
	h.kubectl("apply", "-f", samples)
	h.ready()
}

// quickly polls once a second instead of as the server asks: a person who has approved
// already need not wait.
const quickly = 1

// signIn gets a token by device flow, as a command line tool would; interval 0 polls as
// the server asks.
func (h *house) signIn(t *testing.T, interval int64) *oauth2.Token {
	t.Helper()
	ctx := t.Context()
	device, err := h.client.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.person.Approve(ctx, device.VerificationURIComplete, demo, password); err != nil {
		t.Fatal(err)
	}
	if interval > 0 {
		device.Interval = interval
	}
	token, err := h.client.DeviceAccessToken(ctx, device)
	if err != nil {
		t.Fatal(err)
	}
	if token.RefreshToken == "" {
		t.Error("no refresh token for offline_access")
	}
	return token
}

type answer struct {
	status int
	body   map[string]any
}

// code is the error's.
func (a answer) code() any {
	detail, _ := a.body["detail"].(map[string]any)
	return detail["code"]
}

// ask reads an organization with the token.
func (h *house) ask(t *testing.T, token *oauth2.Token, slug string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.issuer+"/api/0/organizations/"+slug+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&a.body); err != nil {
		t.Fatal(err)
	}
	return a
}

func (h *house) expect(t *testing.T, token *oauth2.Token, status int) {
	t.Helper()
	if a := h.ask(t, token, "acme"); a.status != status {
		t.Fatalf("answered %v, want %d", a, status)
	}
}

// refused waits until the token is refused, and returns how long after the given moment
// that was: not before, and whoever asks more than a second later is refused. How long an
// answer takes is not counted.
func (h *house) refused(t *testing.T, token *oauth2.Token, from time.Time) time.Duration {
	t.Helper()
	for {
		begun := time.Since(from)
		a, took := h.ask(t, token, "acme"), time.Since(from)
		switch {
		case a.status == http.StatusUnauthorized && a.code() == "invalid_token",
			a.status == http.StatusForbidden && a.code() == "insufficient_scope":
			if took < 0 {
				t.Errorf("refused %v before", -took)
			}
			return took
		case a.status != http.StatusOK:
			t.Fatalf("answered %v", a)
		case begun > time.Second:
			t.Fatalf("asked %v later it answered %v", begun, a)
		}
	}
}
