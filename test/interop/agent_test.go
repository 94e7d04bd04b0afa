package interop

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/gatehouse-dev/gatehouse/test/interop/house"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// agent is an oidc-agent with a home of its own.
type agent struct {
	environment []string
	printed     bytes.Buffer
}

// startAgent starts it in the foreground, and waits until it listens.
func startAgent(ctx context.Context, t *testing.T) *agent {
	t.Helper()
	home := t.TempDir()
	must(t, os.Mkdir(filepath.Join(home, ".oidc-agent"), 0o700))
	socket := filepath.Join(home, "socket")
	const passphrase = "passphrase of the agent's own files"
	leaks.Remember(passphrase)
	a := &agent{environment: append(os.Environ(), "HOME="+home, "OIDC_SOCK="+socket, "OIDC_ENCRYPTION_PW="+passphrase)}
	alive, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	cmd := exec.CommandContext(alive, "oidc-agent", "--console", "--no-scheme", "--socket-path="+socket)
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 5*time.Second
	cmd.Env, cmd.Stdout, cmd.Stderr = a.environment, &a.printed, &a.printed
	must(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it says that it was told to end
		if t.Failed() {
			t.Logf("oidc-agent: %s", &a.printed)
		}
	})
	for {
		if _, err := os.Stat(socket); err == nil {
			return a
		}
		must(t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
}

// generate has oidc-gen sign somebody in, who does what do does with the lines it prints;
// do reports whether it has read enough.
func (a *agent) generate(ctx context.Context, t *testing.T, do func(line string) (bool, error), args ...string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, "oidc-gen", append(args, "--iss="+gatehouse.URL, "--client-secret=", "--no-url-call", "--no-scheme",
		"--pw-env", "--prompt=none", "--confirm-default")...)
	cmd.Env = a.environment
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = cmd.Stdout // some of what it asks for is there
	must(t, cmd.Start())
	var said strings.Builder
	did := false
	for lines := bufio.NewScanner(io.TeeReader(out, &said)); !did && err == nil && lines.Scan(); {
		did, err = do(lines.Text())
	}
	_, _ = io.Copy(&said, out)
	if ended := cmd.Wait(); ended != nil || err != nil || !did {
		t.Fatalf("oidc-gen: %v, the person: %v, asked: %t\n%s", ended, err, did, &said)
	}
}

// token asks the agent, as programs do that know nothing of OAuth.
func (a *agent) token(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "oidc-token", args...)
	cmd.Env = a.environment
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("oidc-token: %v\n%s%s", err, out, &complaints)
	}
	token := strings.TrimSpace(string(out))
	leaks.Remember(token)
	return token
}

// wantDemo checks whom an access token is of.
func wantDemo(ctx context.Context, t *testing.T, token string) {
	t.Helper()
	ctx = oidc.ClientContext(ctx, house.Client())
	provider, err := oidc.NewProvider(ctx, gatehouse.URL)
	must(t, err)
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))
	must(t, err)
	if info.Email != house.Email {
		t.Errorf("the token is of %q", info.Email)
	}
}

// The agent listens at a port of its own on localhost, keeps the refresh token, and hands
// out access tokens that live long enough.
func TestOIDCAgentSignsInByCodeAndRefreshes(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	a := startAgent(ctx, t)
	address, err := house.QuietAddress()
	must(t, err)
	who := gatehouse.Person()
	a.generate(ctx, t, func(line string) (bool, error) {
		if !strings.HasPrefix(line, gatehouse.URL) {
			return false, nil
		}
		_, err := who.Allow(ctx, line)
		return true, err
	}, "acme", "--client-id=acme.native", "--flow=code", "--scope=openid profile email offline_access org:read",
		"--redirect-uri=http://localhost:"+port(t, "http://"+address)+"/callback")
	first := a.token(ctx, t, "acme")
	wantDemo(ctx, t, first)
	second := a.token(ctx, t, "--force-new", "acme")
	if second == first {
		t.Error("the agent did not refresh")
	}
	wantDemo(ctx, t, second)
}

func TestOIDCAgentConnectsADevice(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	a := startAgent(ctx, t)
	who := gatehouse.Person()
	page := ""
	a.generate(ctx, t, func(line string) (bool, error) {
		if strings.HasPrefix(line, gatehouse.URL) {
			page = line
		}
		_, code, found := strings.Cut(line, "enter the code: ")
		if !found {
			return false, nil
		}
		return true, who.Connect(ctx, page+"?user_code="+code)
	}, "acme-device", "--client-id=acme.cli", "--flow=device", "--scope=openid email offline_access org:read")
	wantDemo(ctx, t, a.token(ctx, t, "acme-device"))
}
