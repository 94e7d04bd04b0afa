package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// zitadel is the example provider of zitadel/oidc with its own storage, in memory. It
// knows no session: whoever asks for a code signs in, by a password in plain text.
type zitadel struct {
	*process.Process
	refreshTokens [concurrency]string
	accessToken   string
	deviceCodes   []string
}

// startZitadel builds peers/zitadel, a module of its own, and starts it twice: one that
// signs with ES256, and one that signs with RS256 as the example does.
func startZitadel(ctx context.Context, root, dir string) (*subject, error) {
	binary := filepath.Join(dir, "zitadel")
	build := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", binary, ".")
	build.Dir = filepath.Join(root, "test/bench/peers/zitadel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	began := time.Now()
	elliptic, err := runZitadel(ctx, binary, "ES256")
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	rsa, err := runZitadel(ctx, binary, "RS256")
	if err != nil {
		return nil, errors.Join(err, elliptic.Stop())
	}
	operations := elliptic.operations()
	operations[codeFlowRS256] = operation{server: rsa.Process, once: rsa.codeFlow}
	return newSubject(zitadelName, operations, took, elliptic.Process, rsa.Process)
}

func runZitadel(ctx context.Context, binary, alg string) (*zitadel, error) {
	address, err := process.FreeAddress()
	if err != nil {
		return nil, err
	}
	z := &zitadel{}
	z.Process, err = process.Start(ctx, "http://"+address, "http://"+address+"/healthz", binary, "-listen", address, "-redirect", redirectURI, "-alg", alg)
	return z, err
}

func (z *zitadel) operations() map[string]operation {
	// The example knows one machine, by this name and secret; peers/zitadel lets it ask for
	// JWT access tokens under another name.
	credentials := func(name string) func() *http.Request {
		return func() *http.Request {
			return post(z.URL+"/oauth/token", url.Values{"grant_type": {"client_credentials"}}, name, "verysecret")
		}
	}
	introspect := simple(z.Process, func() *http.Request {
		return post(z.URL+"/oauth/introspect", url.Values{"token": {z.accessToken}}, "web", peerSecret)
	})
	userinfo := simple(z.Process, func() *http.Request { return get(z.URL+"/userinfo", z.accessToken) })
	introspect.prepare, userinfo.prepare = z.signIn, z.signIn
	return map[string]operation{
		metadata:             simple(z.Process, func() *http.Request { return get(z.URL+"/.well-known/openid-configuration", "") }),
		jwks:                 simple(z.Process, func() *http.Request { return get(z.URL+"/keys", "") }),
		clientCredentials:    simple(z.Process, credentials("sid1")),
		clientCredentialsJWT: simple(z.Process, credentials("sid1-jwt")),
		introspection:        introspect,
		userinfoCall:         userinfo,
		refresh:              {server: z.Process, prepare: z.signIn, once: z.refresh},
		deviceRequest:        {server: z.Process, once: z.askForDevice},
		pendingPoll:          {server: z.Process, prepare: z.askForDevices, once: pollPending(z.poll)},
		codeFlowES256:        {server: z.Process, once: z.codeFlow},
		codeFlowSignIn:       {server: z.Process, once: z.codeFlow},
	}
}

func (z *zitadel) signIn(context.Context) error {
	for w := range concurrency {
		t, err := z.signInOnce("openid profile email offline_access", send)
		if err != nil {
			return err
		}
		z.accessToken, z.refreshTokens[w] = t.Access, t.Refresh
	}
	return nil
}

// signInOnce is a code flow with the example's login form, which is posted without being
// loaded. There is no consent.
func (z *zitadel) signInOnce(scope string, send sender) (issued, error) {
	b := newBrowser()
	to, err := b.visit(get(z.URL+"/auth?"+authorization("web", scope).Encode(), ""), send)
	if err != nil {
		return issued{}, err
	}
	to, err = b.visit(post(z.URL+"/login/username", url.Values{
		"id": {to.Query().Get("authRequestID")}, "username": {"test-user2"}, "password": {"verysecure"},
	}, "", ""), send)
	if err == nil {
		to, err = b.visit(get(to.String(), ""), send)
	}
	if err != nil {
		return issued{}, err
	}
	code, err := codeIn(to)
	if err != nil {
		return issued{}, err
	}
	return redeem(exchange(z.URL+"/oauth/token", code, "web", peerSecret), true, send)
}

func (z *zitadel) codeFlow(_ int, send sender) error {
	_, err := z.signInOnce("openid profile email", send)
	return err
}

func (z *zitadel) refresh(worker int, send sender) error {
	_, err := rotate(refreshing(z.URL+"/oauth/token", z.refreshTokens[worker], "web", peerSecret), &z.refreshTokens[worker], send)
	return err
}

// askForDevice takes also the answer of the example when its few user codes collide: it has
// done the work by then.
func (z *zitadel) askForDevice(_ int, send sender) error {
	a, err := send(z.deviceRequest())
	if err == nil && a.status != http.StatusOK && !bytes.Contains(a.body, []byte("user code already exists")) {
		err = fmt.Errorf("device request: status %d: %s", a.status, a.body)
	}
	return err
}

func (z *zitadel) deviceRequest() *http.Request {
	return post(z.URL+"/device_authorization", url.Values{"scope": {"openid"}}, "device", peerSecret)
}

func (z *zitadel) askForDevices(context.Context) (err error) {
	z.deviceCodes, err = deviceCodes(z.deviceRequest, 64*concurrency)
	return err
}

func (z *zitadel) poll(i int) *http.Request {
	return post(z.URL+"/oauth/token", url.Values{"grant_type": {deviceGrant}, "device_code": {z.deviceCodes[i%len(z.deviceCodes)]}}, "device", peerSecret)
}
