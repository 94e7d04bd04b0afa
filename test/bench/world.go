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

const authorizePath = "/oauth/authorize/"

// world is a Gatehouse under measurement, with what its operations need.
type world struct {
	*process.Process
	dir           string                   // of its state
	metrics       string                   // URL
	secret        string                   // of every confidential client
	accessToken   atomic.Pointer[string]   // of a person
	openIDToken   atomic.Pointer[string]   // of a person, an access token for userinfo
	refreshTokens [concurrency]string      // of a person, one a worker
	cookies       [concurrency]string      // of a session, one a worker
	deviceCodes   atomic.Pointer[[]string] // pending, plenty
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

// prepare signs the demo person in for every worker, and gets each a grant.
func (w *world) prepare(ctx context.Context) error {
	password, err := w.DemoPassword(ctx)
	if err != nil {
		return err
	}
	here, err := url.Parse(w.URL + authorizePath)
	if err != nil {
		return err
	}
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
		browser := person.New()
		if err := browser.Approve(ctx, device.Complete, "demo@example.com", password); err != nil {
			return err
		}
		token, err := redeem(w.pollFor(device.DeviceCode), false, send)
		if err != nil {
			return err
		}
		w.accessToken.Store(&token.Access)
		w.refreshTokens[worker] = token.Refresh
		for _, c := range browser.Cookies(here) {
			w.cookies[worker] += c.Name + "=" + c.Value + "; "
		}
	}
	return w.codeFlow("acme.web")(0, send)
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
	read := func(path string) operation {
		return simple(w.Process, func() *http.Request { return get(w.URL+path, "") })
	}
	credentials := func(clientID string) operation {
		return simple(w.Process, func() *http.Request {
			return post(w.URL+"/oauth/token/", url.Values{"grant_type": {"client_credentials"}}, clientID, w.secret)
		})
	}
	return map[string]operation{
		metadata:             read("/.well-known/openid-configuration"),
		jwks:                 read("/oauth/jwks.json"),
		clientCredentials:    credentials("acme.ci"),
		clientCredentialsJWT: credentials("acme.jwt"),
		introspection: simple(w.Process, func() *http.Request {
			return post(w.URL+"/oauth/introspect/", url.Values{"token": {*w.accessToken.Load()}}, "acme.ci", w.secret)
		}),
		userinfoCall:  simple(w.Process, func() *http.Request { return get(w.URL+"/oauth/userinfo/", *w.openIDToken.Load()) }),
		apiCall:       simple(w.Process, func() *http.Request { return get(w.URL+"/api/0/organizations/acme/", *w.accessToken.Load()) }),
		refresh:       {server: w.Process, once: w.refresh},
		deviceRequest: simple(w.Process, w.deviceRequest),
		pendingPoll:   {server: w.Process, prepare: w.askForDevices, once: pollPending(w.poll)},
		codeFlowES256: {server: w.Process, once: w.codeFlow("acme.web")},
		codeFlowRS256: {server: w.Process, once: w.codeFlow("acme.web-rs256")},
	}
}

// codeFlow is the flow of somebody who has signed in before, to an application that
// nobody is asked about.
func (w *world) codeFlow(clientID string) func(int, sender) error {
	request := authorization(clientID, "openid profile email org:read").Encode()
	return func(worker int, send sender) error {
		r := get(w.URL+authorizePath+"?"+request, "")
		r.Header.Set("Cookie", w.cookies[worker])
		a, err := expect(http.StatusSeeOther, r, send)
		if err != nil {
			return err
		}
		to, err := url.Parse(a.header.Get("Location"))
		if err != nil {
			return err
		}
		code, err := codeIn(to)
		if err != nil {
			return err
		}
		t, err := redeem(exchange(w.URL+"/oauth/token/", code, clientID, w.secret), true, send)
		if err == nil {
			w.openIDToken.Store(&t.Access)
		}
		return err
	}
}

func (w *world) refresh(worker int, send sender) error {
	next, err := rotate(refreshing(w.URL+"/oauth/token/", w.refreshTokens[worker], "acme.cli", ""), &w.refreshTokens[worker], send)
	if err == nil {
		w.accessToken.Store(&next.Access)
	}
	return err
}
