// Package servertest makes a small world for tests: a Server on a real SQLite store in a
// temporary directory, two organizations with applications and people, and a clock that
// only the test moves. Everything that it logs, keeps and counts is searched for secrets
// after the run (package leaks).
//
// Start reading at New.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// World is a running server and what it serves. Change Declared and Publish it.
type World struct {
	Server   *server.Server
	HTTP     *httptest.Server
	Store    *store.DB
	Keys     *keyring.Keyring
	Declared *Declared
	Log      *bytes.Buffer // read it when no request is under way

	mu    sync.Mutex
	clock time.Time
}

// Option changes the Config of the server.
type Option func(*server.Config)

// RateLimits switches the limits on; they are off by default.
func RateLimits(c *server.Config) { c.RateLimitScale = 1 }

// New starts a server that serves the declarations of Declare, and ends it with the test.
func New(t testing.TB, options ...Option) *World {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	db, err := store.OpenSQLite(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Store: db, Keys: keys, Log: &bytes.Buffer{}, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	registry := prometheus.NewRegistry()
	w.HTTP = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.Server.Handler().ServeHTTP(rw, r)
	}))
	config := server.Config{
		Issuer: "http://" + w.HTTP.Listener.Addr().String(), Store: db, Keyring: keys, Now: w.Now,
		Log: slog.New(slog.NewJSONHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug})), Registry: registry,
	}
	if _, measured := t.(*testing.B); measured {
		config.Log, config.Registry = nil, nil
	}
	for _, o := range options {
		o(&config)
	}
	if w.Server, err = server.New(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	w.HTTP.Start()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Server.Run(ctx) }()
	t.Cleanup(func() {
		w.HTTP.Close()
		stop()
		stopped := <-ended
		leaks.Database(t.Name(), path) // before Close: it empties the write-ahead log
		leaks.Emitted(t.Name(), w.Log.Bytes())
		leaks.Emitted(t.Name(), shown(registry))
		if err := errors.Join(stopped, db.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, u := range []store.User{Ann, Bob} {
		u.CreatedAt, u.EmailProvenAt = w.clock, w.clock
		if err := db.CreateUser(context.Background(), u, store.Event{Time: w.clock, Action: "user.created"}); err != nil {
			t.Fatal(err)
		}
	}
	w.Declared = Declare(keys.DigestKey())
	w.Publish(t)
	return w
}

// shown is what the operations port would show of the metrics.
func shown(metrics prometheus.Gatherer) []byte {
	out := httptest.NewRecorder()
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return out.Body.Bytes()
}

// Now reads the clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// Pass lets time pass.
func (w *World) Pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// Publish serves what is declared now.
func (w *World) Publish(t testing.TB) {
	t.Helper()
	if err := w.Server.Publish(context.Background(), w.Declared.Snapshot()); err != nil {
		t.Fatal(err)
	}
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body; a body that is no JSON object reads as empty.
func (a Answer) JSON() map[string]any {
	var m map[string]any
	if json.Unmarshal(a.Body, &m) != nil {
		return map[string]any{}
	}
	return m
}

// Text returns a member of the body that is a string.
func (a Answer) Text(name string) string {
	s, _ := a.JSON()[name].(string)
	return s
}

// Do sends a request as it is; redirects are not followed.
func (w *World) Do(t testing.TB, r *http.Request) Answer {
	t.Helper()
	answer, err := leaks.Transport(w.HTTP.Client().Transport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{answer.StatusCode, answer.Header, body}
}

// Request makes a request to a path.
func (w *World) Request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.HTTP.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// Post sends a form. Pairs of names and values; client "" sends no credentials, a public
// client is named in the form, a confidential one authenticates with its secret.
func (w *World) Post(t testing.TB, path, client string, pairs ...string) Answer {
	t.Helper()
	form := Form(pairs...)
	secret, confidential := Secrets[client]
	if client != "" && !confidential {
		form.Set("client_id", client)
	}
	r := w.Request(t, http.MethodPost, path, form.Encode())
	if confidential {
		r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret))
	}
	return w.Do(t, r)
}

// Get asks with an access token; "" sends none.
func (w *World) Get(t testing.TB, path, token string) Answer {
	t.Helper()
	r := w.Request(t, http.MethodGet, path, "")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return w.Do(t, r)
}

// Form makes a form of pairs of names and values.
func Form(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

// DeviceGrant is the grant type of the device flow.
const DeviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// StartDevice starts a device authorization.
func (w *World) StartDevice(t testing.TB, client string, pairs ...string) Answer {
	t.Helper()
	a := w.Post(t, "/oauth/device/code/", client, pairs...)
	if a.Status != http.StatusOK {
		t.Fatalf("device request: %d %s", a.Status, a.Body)
	}
	return a
}

// Approve approves a device authorization in the store, as the page does: with what the
// roles of the person give.
func (w *World) Approve(t testing.TB, userCode string, person store.User) {
	t.Helper()
	code, ok := tokens.ParseUserCode(userCode)
	if !ok {
		t.Fatalf("%q is no user code", userCode)
	}
	ctx, now := context.Background(), w.Now()
	d, err := w.Store.DeviceCodeByUserCode(ctx, code.Hash(w.Keys))
	if err != nil {
		t.Fatal(err)
	}
	err = w.Store.ApproveDeviceCode(ctx, d.Hash, now, store.Approval{
		UserID: person.ID, ProviderUID: w.Declared.Local.UID, AuthTime: now, AMR: []string{"pwd"}, Granted: d.Scopes,
	}, store.Event{Time: now, Actor: person.ID, Action: "device.approved"})
	if err != nil {
		t.Fatal(err)
	}
}

// Deny denies a device authorization in the store.
func (w *World) Deny(t testing.TB, userCode string) {
	t.Helper()
	code, _ := tokens.ParseUserCode(userCode)
	d, err := w.Store.DeviceCodeByUserCode(context.Background(), code.Hash(w.Keys))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.DenyDeviceCode(context.Background(), d.Hash, w.Now(), store.Event{Time: w.Now(), Action: "device.denied"}); err != nil {
		t.Fatal(err)
	}
}

// Poll asks once for the tokens of a device code.
func (w *World) Poll(t testing.TB, client, deviceCode string) Answer {
	t.Helper()
	return w.Post(t, "/oauth/token/", client, "grant_type", DeviceGrant, "device_code", deviceCode)
}

// SignIn runs the device flow for a person and returns the tokens.
func (w *World) SignIn(t testing.TB, client string, person store.User, pairs ...string) Answer {
	t.Helper()
	device := w.StartDevice(t, client, pairs...)
	w.Approve(t, device.Text("user_code"), person)
	a := w.Poll(t, client, device.Text("device_code"))
	if a.Status != http.StatusOK {
		t.Fatalf("redeem device code: %d %s", a.Status, a.Body)
	}
	return a
}

// Refresh uses a refresh token.
func (w *World) Refresh(t testing.TB, client, refreshToken string, pairs ...string) Answer {
	t.Helper()
	return w.Post(t, "/oauth/token/", client, append([]string{"grant_type", "refresh_token", "refresh_token", refreshToken}, pairs...)...)
}

// Introspect asks about a token.
func (w *World) Introspect(t testing.TB, client, token string) Answer {
	t.Helper()
	return w.Post(t, "/oauth/introspect/", client, "token", token)
}
