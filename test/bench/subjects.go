package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

// The operations, by the names that they have in docs/performance.md.
const (
	metadata             = "metadata"
	jwks                 = "JWKS"
	clientCredentials    = "client credentials, opaque"
	clientCredentialsJWT = "client credentials, ES256 JWT"
	introspection        = "introspection"
	userinfoCall         = "userinfo"
	apiCall              = "API call"
	refresh              = "refresh with rotation"
	deviceRequest        = "device request"
	pendingPoll          = "pending poll"
	codeFlowES256        = "code flow, ES256 ID token"
	codeFlowRS256        = "code flow, RS256 ID token"
	codeFlowSignIn       = "code flow with sign-in, ES256"
)

// budgets are what Gatehouse may take, in CPU seconds per 1,000 operations, in the order
// in which the operations are measured; 0: there is no budget.
var budgets = []struct {
	name   string
	budget float64
}{
	{metadata, 0.03},
	{jwks, 0.03},
	{clientCredentials, 0.05},
	{clientCredentialsJWT, 0.09},
	{introspection, 0.04},
	{userinfoCall, 0.04},
	{apiCall, 0.04},
	{refresh, 0.35},
	{deviceRequest, 0.25},
	{pendingPoll, 0.04},
	{codeFlowES256, 0.9},
	{codeFlowRS256, 1.7},
	{codeFlowSignIn, 0},
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// peerSecret is the secret of every peer's client.
const peerSecret = "bench-bench-bench-bench-bench-bench-bench"

// The peers, as the table names them.
const (
	oidcProviderName = "oidc-provider"
	zitadelName      = "zitadel/oidc"
)

// subject is one server under measurement: Gatehouse or a peer.
type subject struct {
	name       string
	operations map[string]operation // those that it has
	processes  []*process.Process   // the first is the one that memory is read of
	coldStart  time.Duration
	idle       float64 // resident memory at ready, MiB
}

// newSubject describes a server that has just become ready.
func newSubject(name string, operations map[string]operation, coldStart time.Duration, processes ...*process.Process) (*subject, error) {
	idle, err := processes[0].RSS()
	s := &subject{name, operations, processes, coldStart, idle}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *subject) stop() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}

// startPeers starts the servers that Gatehouse is measured next to. One that cannot run
// here is named with the reason, and left out.
func startPeers(ctx context.Context, dir string) ([]*subject, error) {
	if err := os.Setenv("BENCH_SECRET", peerSecret); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the root of the module: %w", err)
	}
	root := strings.TrimSpace(string(out))
	var peers []*subject
	for _, p := range []struct {
		name  string
		start func(ctx context.Context, root, dir string) (*subject, error)
	}{{oidcProviderName, startOIDCProvider}, {zitadelName, startZitadel}} {
		peer, err := p.start(ctx, root, dir)
		if ctx.Err() != nil {
			return peers, ctx.Err()
		}
		if err != nil {
			fmt.Printf("not measured: %s: %v\n", p.name, err)
			continue
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

// refreshing is the request for a new token, by a client with a secret or a public one.
func refreshing(endpoint, token, clientID, secret string) *http.Request {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	if secret == "" {
		form.Set("client_id", clientID)
		return post(endpoint, form, "", "")
	}
	return post(endpoint, form, clientID, secret)
}

// rotate sends a refresh request, which must be answered with another refresh token.
func rotate(r *http.Request, token *string, send sender) (issued, error) {
	next, err := redeem(r, false, send)
	if err == nil && (next.Refresh == "" || next.Refresh == *token) {
		err = errors.New("the refresh token was not rotated")
	}
	if err == nil {
		*token = next.Refresh
	}
	return next, err
}

// deviceCodes asks for device codes that nobody will approve.
func deviceCodes(request func() *http.Request, n int) ([]string, error) {
	codes := make([]string, n)
	for i := range codes {
		a, err := expect(http.StatusOK, request(), send)
		if err != nil {
			return nil, err
		}
		var device struct {
			DeviceCode string `json:"device_code"`
		}
		if err := json.Unmarshal(a.body, &device); err != nil {
			return nil, err
		}
		codes[i] = device.DeviceCode
	}
	return codes, nil
}

// pollPending polls many codes in turn; one that is polled too fast is answered slow_down,
// which costs the same look-up.
func pollPending(poll func(i int) *http.Request) func(int, sender) error {
	var next atomic.Int64
	return func(_ int, send sender) error {
		a, err := expect(http.StatusBadRequest, poll(int(next.Add(1))), send)
		if err == nil && !strings.Contains(string(a.body), "authorization_pending") && !strings.Contains(string(a.body), "slow_down") {
			err = fmt.Errorf("poll: %s", a.body)
		}
		return err
	}
}
