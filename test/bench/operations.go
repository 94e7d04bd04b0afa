package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

// referenceBare is what the bare handler took, in CPU seconds per 1,000 requests, on the
// machine that the budgets were made on.
const referenceBare = 0.023

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// world is a Gatehouse under measurement, with what the operations need.
type world struct {
	*process.Process
	secret        string   // of the machine client
	accessToken   string   // of a person
	refreshTokens []string // one a worker
	deviceCodes   []string // pending, plenty
	coldStart     time.Duration
	idle          float64 // resident memory at ready, MiB
}

// declarations are one organization with a command line tool and a machine client.
func declarations(secret string) string {
	return strings.ReplaceAll(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec: {organizationRef: {name: acme}, clientID: acme.cli, type: Device, scopes: ["org:read", "project:write"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.ci
  type: Machine
  introspection: Organization
  scopes: ["org:read", "project:read"]
  credentials: {source: FromSecret, fromSecret: {name: ci, key: client-secret}}
---
apiVersion: v1
kind: Secret
metadata: {name: ci, namespace: acme, labels: {auth.gatehouse.dev/secret: input}}
stringData: {client-secret: "SECRET"}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: developer, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read", "project:write"]}]
  subjects: [{kind: User, name: demo@example.com}, {kind: ApiApplication, name: ci}]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: local, namespace: gatehouse-system}
spec: {type: Local}
`, "SECRET", secret)
}

func measureOperations(ctx context.Context, length time.Duration, rounds int, wanted func(string) bool) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bare, err := startBare(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = bare.Stop() }()
	w, err := startWorld(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()

	fmt.Printf("%s; CPU seconds per 1,000 operations at concurrency %d, median of %d\n", machine(), concurrency, rounds)
	fmt.Printf("scaled: as it would be where the bare handler takes %.3f, the machine that the budgets were made on\n\n", referenceBare)
	fmt.Printf("%-20s %8s %8s %8s %8s %10s %10s\n", "operation", "budget", "scaled", "measured", "bare", "per second", "p99")
	for _, op := range w.operations() {
		if !wanted(op.name) {
			continue
		}
		var ours, bares []result
		for range rounds {
			b, err := run(ctx, bare, bareLike(bare, op), length)
			if err != nil {
				return err
			}
			o, err := run(ctx, w.Process, op, length)
			if err != nil {
				return err
			}
			ours, bares = append(ours, o), append(bares, b)
		}
		o, b := median(ours), median(bares)
		scaled := o.cpuPer1000 * referenceBare / b.cpuPer1000
		fmt.Printf("%-20s %8.3f %8.3f %8.3f %8.3f %10.0f %10s %s\n", op.name, op.budget, scaled, o.cpuPer1000, b.cpuPer1000,
			o.perSecond, o.p99.Round(100*time.Microsecond), verdict(scaled, op.budget))
	}
	rss, err := w.RSS()
	if err != nil {
		return err
	}
	fmt.Printf("\ncold start to ready, standalone: %s (budget 100ms); resident memory then %.0f MiB, after the load %.0f MiB\n",
		w.coldStart.Round(time.Millisecond), w.idle, rss)
	return nil
}

func verdict(measured, budget float64) string {
	if measured > budget {
		return "over budget"
	}
	return ""
}

// bareLike sends the bare handler the same request.
func bareLike(bare *process.Process, op operation) operation {
	return operation{name: "bare " + op.name, next: func(worker int) (*http.Request, func(int, []byte) error) {
		r, _ := op.next(worker)
		r.URL.Host = strings.TrimPrefix(bare.URL, "http://")
		r.Host = ""
		return r, func(int, []byte) error { return nil }
	}}
}

func startWorld(ctx context.Context, dir string) (*world, error) {
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := &world{secret: "gcs_" + strings.Repeat("s", 40)}
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(declarations(w.secret)), 0o600); err != nil {
		return nil, err
	}
	began := time.Now()
	w.Process, err = process.Serve(ctx, process.Options{Binary: binary, Manifests: manifests, DataDir: filepath.Join(dir, "data")})
	if err != nil {
		return nil, err
	}
	w.coldStart = time.Since(began)
	if w.idle, err = w.RSS(); err != nil {
		return nil, err
	}
	if err := w.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare: %w\n%s", err, w.Printed)
	}
	return w, nil
}

// prepare signs the demo person in, and gets a grant for every worker.
func (w *world) prepare(ctx context.Context) error {
	password, err := w.DemoPassword(ctx)
	if err != nil {
		return err
	}
	browser := person.New()
	for range concurrency {
		var device struct {
			DeviceCode string `json:"device_code"`
			Complete   string `json:"verification_uri_complete"`
		}
		if err := w.call(w.deviceRequest(), &device); err != nil {
			return err
		}
		if err := browser.Approve(ctx, device.Complete, "demo@example.com", password); err != nil {
			return err
		}
		var token struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		if err := w.call(w.poll(device.DeviceCode), &token); err != nil {
			return err
		}
		w.accessToken = token.Access
		w.refreshTokens = append(w.refreshTokens, token.Refresh)
	}
	for range 64 * concurrency {
		var device struct {
			DeviceCode string `json:"device_code"`
		}
		if err := w.call(w.deviceRequest(), &device); err != nil {
			return err
		}
		w.deviceCodes = append(w.deviceCodes, device.DeviceCode)
	}
	return nil
}

func (w *world) deviceRequest() *http.Request {
	return post(w.URL+"/oauth/device/code/", url.Values{"client_id": {"acme.cli"}}, "", "")
}

func (w *world) poll(code string) *http.Request {
	return post(w.URL+"/oauth/token/", url.Values{"client_id": {"acme.cli"}, "grant_type": {deviceGrant}, "device_code": {code}}, "", "")
}

func (w *world) call(r *http.Request, into any) error {
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", r.Method, r.URL, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// operations are the hot paths, with their budgets.
func (w *world) operations() []operation {
	ok := func(status int, body []byte) error {
		if status != http.StatusOK {
			return fmt.Errorf("status %d: %s", status, body)
		}
		return nil
	}
	simple := func(name string, budget float64, request func() *http.Request) operation {
		return operation{name, budget, func(int) (*http.Request, func(int, []byte) error) { return request(), ok }}
	}
	return []operation{
		simple("metadata", 0.03, func() *http.Request { return get(w.URL+"/.well-known/oauth-authorization-server", "") }),
		simple("client_credentials", 0.05, func() *http.Request {
			return post(w.URL+"/oauth/token/", url.Values{"grant_type": {"client_credentials"}}, "acme.ci", w.secret)
		}),
		simple("introspection", 0.04, func() *http.Request {
			return post(w.URL+"/oauth/introspect/", url.Values{"token": {w.accessToken}}, "acme.ci", w.secret)
		}),
		simple("API call", 0.04, func() *http.Request { return get(w.URL+"/api/0/organizations/acme/", w.accessToken) }),
		{"refresh", 0.35, w.refresh},
		simple("device request", 0.25, w.deviceRequest),
		w.pendingPoll(),
	}
}

func (w *world) refresh(worker int) (*http.Request, func(int, []byte) error) {
	r := post(w.URL+"/oauth/token/", url.Values{"client_id": {"acme.cli"}, "grant_type": {"refresh_token"}, "refresh_token": {w.refreshTokens[worker]}}, "", "")
	return r, func(status int, body []byte) error {
		var token struct {
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(body, &token); err != nil || status != http.StatusOK {
			return fmt.Errorf("status %d: %s", status, body)
		}
		w.refreshTokens[worker] = token.Refresh
		return nil
	}
}

// pendingPoll polls many codes in turn; polled too fast, they answer slow_down, which
// costs the same look-up.
func (w *world) pendingPoll() operation {
	var next atomic.Int64
	return operation{"pending poll", 0.04, func(int) (*http.Request, func(int, []byte) error) {
		code := w.deviceCodes[int(next.Add(1))%len(w.deviceCodes)]
		return w.poll(code), func(status int, body []byte) error {
			if status != http.StatusBadRequest || !strings.Contains(string(body), "authorization_pending") && !strings.Contains(string(body), "slow_down") {
				return fmt.Errorf("status %d: %s", status, body)
			}
			return nil
		}
	}}
}

func get(target, token string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		panic(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}
