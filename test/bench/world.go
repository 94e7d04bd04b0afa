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

// world is a Gatehouse under measurement, with what its operations need.
type world struct {
	*process.Process
	dir           string                   // of its state
	metrics       string                   // URL
	secret        string                   // of the machine client
	accessToken   atomic.Pointer[string]   // of a person
	refreshTokens [concurrency]string      // of a person, one a worker
	deviceCodes   atomic.Pointer[[]string] // pending, plenty
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

// startWorld builds Gatehouse and starts it on the declarations, with its state in dir.
func startWorld(ctx context.Context, dir string) (*world, *subject, error) {
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	ops, err := process.FreeAddress()
	if err != nil {
		return nil, nil, err
	}
	w := &world{secret: "gcs_" + strings.Repeat("s", 40), dir: filepath.Join(dir, "data"), metrics: "http://" + ops + "/metrics"}
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o700); err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(declarations(w.secret)), 0o600); err != nil {
		return nil, nil, err
	}
	began := time.Now()
	w.Process, err = process.Serve(ctx, process.Options{Binary: binary, Manifests: manifests, DataDir: w.dir, OpsAddress: ops})
	if err != nil {
		return nil, nil, err
	}
	s, err := newSubject("Gatehouse", w.operations(), time.Since(began), w.Process)
	if err != nil {
		return nil, nil, err
	}
	if err := w.prepare(ctx); err != nil {
		return nil, nil, fmt.Errorf("prepare: %w\n%s", err, w.Printed)
	}
	return w, s, nil
}

// prepare signs the demo person in, and gets a grant for every worker.
func (w *world) prepare(ctx context.Context) error {
	password, err := w.DemoPassword(ctx)
	if err != nil {
		return err
	}
	browser := person.New()
	for worker := range concurrency {
		var device struct {
			DeviceCode string `json:"device_code"`
			Complete   string `json:"verification_uri_complete"`
		}
		a, err := expect(http.StatusOK, w.deviceRequest(), send)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(a.body, &device); err != nil {
			return err
		}
		if err := browser.Approve(ctx, device.Complete, "demo@example.com", password); err != nil {
			return err
		}
		token, err := redeem(w.pollFor(device.DeviceCode), false, send)
		if err != nil {
			return err
		}
		w.accessToken.Store(&token.Access)
		w.refreshTokens[worker] = token.Refresh
	}
	return nil
}

func (w *world) deviceRequest() *http.Request {
	return post(w.URL+"/oauth/device/code/", url.Values{"client_id": {"acme.cli"}}, "", "")
}

// askForDevices gets codes for the pending polls; they expire after ten minutes.
func (w *world) askForDevices(context.Context) error {
	codes, err := deviceCodes(w.deviceRequest, 64*concurrency)
	w.deviceCodes.Store(&codes)
	return err
}

func (w *world) poll(i int) *http.Request {
	codes := *w.deviceCodes.Load()
	return w.pollFor(codes[i%len(codes)])
}

func (w *world) pollFor(code string) *http.Request {
	return post(w.URL+"/oauth/token/", url.Values{"client_id": {"acme.cli"}, "grant_type": {deviceGrant}, "device_code": {code}}, "", "")
}

// operations are the hot paths.
func (w *world) operations() map[string]operation {
	return map[string]operation{
		metadata: simple(w.Process, func() *http.Request { return get(w.URL+"/.well-known/oauth-authorization-server", "") }),
		clientCredentials: simple(w.Process, func() *http.Request {
			return post(w.URL+"/oauth/token/", url.Values{"grant_type": {"client_credentials"}}, "acme.ci", w.secret)
		}),
		introspection: simple(w.Process, func() *http.Request {
			return post(w.URL+"/oauth/introspect/", url.Values{"token": {*w.accessToken.Load()}}, "acme.ci", w.secret)
		}),
		apiCall:       simple(w.Process, func() *http.Request { return get(w.URL+"/api/0/organizations/acme/", *w.accessToken.Load()) }),
		refresh:       {server: w.Process, once: w.refresh},
		deviceRequest: simple(w.Process, w.deviceRequest),
		pendingPoll:   {server: w.Process, prepare: w.askForDevices, once: pollPending(w.poll)},
	}
}

func (w *world) refresh(worker int, send sender) error {
	next, err := rotate(refreshing(w.URL+"/oauth/token/", w.refreshTokens[worker], "acme.cli", ""), &w.refreshTokens[worker], send)
	if err == nil {
		w.accessToken.Store(&next.Access)
	}
	return err
}
