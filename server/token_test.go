package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const (
	cli     = servertest.CLI
	machine = servertest.Machine
	tokenAt = "/oauth/token/"
)

// refused checks status and error code of an answer, and that it is kept by no cache.
func refused(t *testing.T, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || a.Text("error") != code {
		t.Errorf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", a.Header.Get("Cache-Control"))
	}
	if status == http.StatusUnauthorized && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("WWW-Authenticate %q, want a Basic challenge", a.Header.Get("WWW-Authenticate"))
	}
}

func TestUnknownClientAndWrongSecretReadAlike(t *testing.T) {
	w := servertest.New(t)
	wrong := w.Post(t, tokenAt, "", "grant_type", "client_credentials", "client_id", machine, "client_secret", "wrong")
	unknown := w.Post(t, tokenAt, "", "grant_type", "client_credentials", "client_id", "acme.nobody", "client_secret", "wrong")
	if string(wrong.Body) != string(unknown.Body) || wrong.Status != unknown.Status {
		t.Errorf("%d %s differs from %d %s", wrong.Status, wrong.Body, unknown.Status, unknown.Body)
	}
}

func TestClientsProveThemselvesInBothWays(t *testing.T) {
	w := servertest.New(t)
	for _, pairs := range [][]string{
		{"grant_type", "client_credentials"},
		{"grant_type", "client_credentials", "client_id", machine}, // no second method
	} {
		if a := w.Post(t, tokenAt, machine, pairs...); a.Status != 200 {
			t.Errorf("Basic: %d %s", a.Status, a.Body)
		}
	}
	a := w.Post(t, tokenAt, "", "grant_type", "client_credentials", "client_id", machine, "client_secret", servertest.Secrets[machine])
	if a.Status != 200 {
		t.Errorf("body: %d %s", a.Status, a.Body)
	}
	r := w.Request(t, http.MethodPost, "/oauth/device/code", "")
	r.SetBasicAuth(cli, "")
	if a := w.Do(t, r); a.Status != 200 {
		t.Errorf("a public client with an empty Basic secret: %d %s", a.Status, a.Body)
	}
	if w.StartDevice(t, servertest.Box).Text("user_code") == "" { // its secret needs form encoding
		t.Error("no user_code")
	}
}

func TestMachineGetsWhatItsRolesGiveAndWritesNothing(t *testing.T) {
	w := servertest.New(t)
	before, err := w.Store.Events(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	c := clientcredentials.Config{ClientID: machine, ClientSecret: servertest.Secrets[machine], TokenURL: w.HTTP.URL + tokenAt}
	token, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := token.Extra("scope"); got != "org:read project:read" {
		t.Errorf("scope %v, want what the role has", got)
	}
	if token.RefreshToken != "" || token.Extra("user") != nil {
		t.Error("a machine got a refresh token or a user")
	}
	if o, _ := token.Extra("organization").(map[string]any); o["slug"] != "acme" || o["id"] == "" {
		t.Errorf("organization %v", o)
	}
	after, err := w.Store.Events(t.Context(), 100)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d events were written (%v)", len(after)-len(before), err)
	}
	w.Declared.Holdings["acme"][machine] = nil
	w.Publish(t)
	refused(t, w.Post(t, tokenAt, machine, "grant_type", "client_credentials"), 400, "invalid_scope")
}

func TestDeviceFlowWithARealClient(t *testing.T) {
	w := servertest.New(t)
	c := oauth2.Config{ClientID: cli, Scopes: []string{"project:write", "offline_access"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: w.HTTP.URL + "/oauth/device/code/", TokenURL: w.HTTP.URL + tokenAt,
	}}
	device, err := c.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if device.Interval != 5 || !strings.HasSuffix(device.VerificationURIComplete, "?user_code="+device.UserCode) {
		t.Errorf("device answer %+v", device)
	}
	w.Approve(t, device.UserCode, servertest.Ann)
	device.Interval = 1 // the client waits once before its first poll
	token, err := c.DeviceAccessToken(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	if token.Extra("scope") != "offline_access project:read project:write" || token.RefreshToken == "" {
		t.Errorf("scope %v, refresh token %t", token.Extra("scope"), token.RefreshToken != "")
	}
	if u, _ := token.Extra("user").(map[string]any); u["id"] != servertest.Ann.ID || u["email"] != servertest.Ann.Email {
		t.Errorf("user %v", u)
	}
}

func TestPollAnswers(t *testing.T) {
	w := servertest.New(t)
	device := w.StartDevice(t, cli)
	code, user := device.Text("device_code"), device.Text("user_code")
	refused(t, w.Poll(t, cli, code), 400, "authorization_pending")
	refused(t, w.Poll(t, cli, code), 400, "slow_down")
	w.Pass(6 * time.Second) // the interval has grown to 10 s
	refused(t, w.Poll(t, cli, code), 400, "slow_down")
	w.Pass(16 * time.Second)
	refused(t, w.Poll(t, cli, code), 400, "authorization_pending")
	refused(t, w.Poll(t, servertest.OtherCLI, code), 400, "invalid_grant")
	w.Approve(t, user, servertest.Ann)
	if a := w.Poll(t, cli, code); a.Status != 200 {
		t.Errorf("approved, polled too fast: %d %s", a.Status, a.Body)
	}
	refused(t, w.Poll(t, cli, code), 400, "invalid_grant")

	denied := w.StartDevice(t, cli)
	w.Deny(t, denied.Text("user_code"))
	refused(t, w.Poll(t, cli, denied.Text("device_code")), 400, "access_denied")

	expired := w.StartDevice(t, cli)
	w.Pass(10 * time.Minute)
	refused(t, w.Poll(t, cli, expired.Text("device_code")), 400, "expired_token")
}

func TestFiftyParallelRedemptionsOfOneDeviceCodeGiveOneSuccess(t *testing.T) {
	w := servertest.New(t)
	device := w.StartDevice(t, cli)
	w.Approve(t, device.Text("user_code"), servertest.Ann)
	answers := parallel(50, func() servertest.Answer { return w.Poll(t, cli, device.Text("device_code")) })
	won := 0
	for _, a := range answers {
		if a.Status == 200 {
			won++
			continue
		}
		refused(t, a, 400, "invalid_grant")
	}
	if won != 1 {
		t.Errorf("%d redemptions succeeded, want 1", won)
	}
}

func TestFiftyParallelRefreshesMakeOneRotation(t *testing.T) {
	w := servertest.New(t)
	first := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
	successors := map[string]bool{}
	for _, a := range parallel(50, func() servertest.Answer { return w.Refresh(t, cli, first) }) {
		if a.Status != 200 {
			t.Fatalf("refresh: %d %s", a.Status, a.Body)
		}
		successors[a.Text("refresh_token")] = true
	}
	if len(successors) != 1 {
		t.Errorf("%d successors, want 1", len(successors))
	}
	events, err := w.Store.Events(context.Background(), 100)
	if err != nil {
		t.Fatal(err)
	}
	rotations := 0
	for _, e := range events {
		if e.Action == "grant.refreshed" {
			rotations++
		}
	}
	if rotations != 1 {
		t.Errorf("%d rotations were recorded, want 1", rotations)
	}
}

func TestReusedRefreshTokenEndsTheGrant(t *testing.T) {
	for name, reuse := range map[string]func(*servertest.World, string, string) string{
		"the predecessor, after ten seconds": func(w *servertest.World, first, _ string) string {
			w.Pass(11 * time.Second)
			return first
		},
		"the predecessor, when its successor was used": func(w *servertest.World, first, second string) string {
			w.Refresh(t, cli, second)
			return first
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			signedIn := w.SignIn(t, cli, servertest.Ann)
			first := signedIn.Text("refresh_token")
			second := w.Refresh(t, cli, first).Text("refresh_token")
			refused(t, w.Refresh(t, cli, reuse(w, first, second)), 400, "invalid_grant")
			refused(t, w.Refresh(t, cli, second), 400, "invalid_grant")
			inactive(t, w, signedIn.Text("access_token"))
			events, err := w.Store.Events(context.Background(), 1)
			if err != nil || len(events) != 1 || events[0].Action != "grant.revoked" || events[0].Reason != "refresh token reused" {
				t.Errorf("events %+v, %v", events, err)
			}
		})
	}
}

func TestForgedAndForeignRefreshTokensRevokeNothing(t *testing.T) {
	w := servertest.New(t)
	good := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
	refused(t, w.Refresh(t, servertest.GlobexCLI, good), 400, "invalid_grant")
	for i := range len(good) {
		altered := good[:i] + flip(good[i]) + good[i+1:]
		refused(t, w.Refresh(t, cli, altered), 400, "invalid_grant")
	}
	if a := w.Refresh(t, cli, good); a.Status != 200 {
		t.Errorf("the real one: %d %s", a.Status, a.Body)
	}
}

func TestNarrowingScopeAffectsThatAccessTokenOnly(t *testing.T) {
	w := servertest.New(t)
	first := w.SignIn(t, cli, servertest.Ann)
	narrow := w.Refresh(t, cli, first.Text("refresh_token"), "scope", "org:read")
	if narrow.Text("scope") != "org:read" {
		t.Errorf("scope %q", narrow.Text("scope"))
	}
	refused(t, w.Refresh(t, cli, narrow.Text("refresh_token"), "scope", "project:admin"), 400, "invalid_scope")
	wide := w.Refresh(t, cli, narrow.Text("refresh_token"))
	if wide.Text("scope") != "org:read project:read project:write" {
		t.Errorf("scope %q, want all that was granted", wide.Text("scope"))
	}
}

func TestRefreshTokensEndWhenIdleAndAbsolutely(t *testing.T) {
	w := servertest.New(t)
	idle := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
	used := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
	for range 3 {
		w.Pass(23 * time.Hour)
		a := w.Refresh(t, cli, used)
		if a.Status != 200 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		used = a.Text("refresh_token")
	}
	refused(t, w.Refresh(t, cli, idle), 400, "invalid_grant")
	w.Pass(3 * time.Hour) // 72 h since the approval
	refused(t, w.Refresh(t, cli, used), 400, "invalid_grant")
}

func TestApplicationWithoutRefreshGrantGetsNoRefreshToken(t *testing.T) {
	w := servertest.New(t)
	if got := w.SignIn(t, servertest.OtherCLI, servertest.Ann).Text("refresh_token"); got != "" {
		t.Error("it got one")
	}
}

func parallel(n int, do func() servertest.Answer) []servertest.Answer {
	answers := make([]servertest.Answer, n)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = do() })
	}
	all.Wait()
	return answers
}

// flip returns another character of the same alphabet.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}
