package cli_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const loginManifests = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: local, namespace: gatehouse-system}
spec: {type: Local}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.cli
  type: Device
  scopes: ["openid", "profile", "email", "groups", "offline_access", "org:read"]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: member, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read"]}]
  subjects: [{kind: User, name: demo@example.com}]
`

// shell runs the command line as a person without a keyring does.
type shell struct {
	t   *testing.T
	env []string
}

func newShell(t *testing.T, env ...string) *shell {
	return &shell{t, append(os.Environ(), append(env, "XDG_CONFIG_HOME="+t.TempDir(), "DBUS_SESSION_BUS_ADDRESS=", "XDG_RUNTIME_DIR=")...)}
}

func (s *shell) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), "gatehouse", args...)
	cmd.Env = s.env
	return cmd
}

// run returns exit code, stdout and stderr.
func (s *shell) run(args ...string) (int, string, string) {
	s.t.Helper()
	var out, said bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// must runs what has to end well, and returns stdout.
func (s *shell) must(args ...string) string {
	s.t.Helper()
	code, out, said := s.run(args...)
	if code != 0 {
		s.t.Fatalf("%v: exit code %d\n%s", args, code, said)
	}
	return out
}

var pageWithCode = regexp.MustCompile(`http://\S+user_code=\S+`)

// invitation starts gatehouse login and returns where it asks to approve, and its stderr.
func (s *shell) invitation(args ...string) (*exec.Cmd, string, *process.Output) {
	s.t.Helper()
	cmd, said := s.command(append([]string{"login"}, args...)...), new(process.Output)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if page := pageWithCode.FindString(said.String()); page != "" && strings.Contains(said.String(), "Ctrl-C") {
			return cmd, page, said
		}
	}
	_ = cmd.Process.Kill()
	s.t.Fatalf("no invitation:\n%s", said)
	return nil, "", nil
}

// A person signs in at a real server, with the real command line and the real pages, and
// uses what came of it until they sign out.
func TestAPersonSignsInUsesTheTokensAndSignsOut(t *testing.T) {
	t.Parallel()
	manifests := t.TempDir()
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(loginManifests), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := process.Serve(t.Context(), process.Options{Binary: "gatehouse", Manifests: manifests, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	password, err := server.DemoPassword(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := newShell(t, "GATEHOUSE_ISSUER="+server.URL)

	cmd, page, said := s.invitation("--client-id", "acme.cli")
	if strings.Contains(said.String(), "\x1b") {
		t.Errorf("colours for no terminal:\n%s", said)
	}
	if err := person.New().Approve(t.Context(), page, "demo@example.com", password); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	token := strings.TrimSpace(s.must("token"))
	if status := ask(t, server.URL+"/api/0/organizations/", token); status != http.StatusOK {
		t.Errorf("the access token of the script: %d", status)
	}
	if out := s.must("whoami"); !strings.Contains(out, "demo@example.com") || !strings.Contains(out, "acme") || !strings.Contains(out, "org:read") {
		t.Errorf("whoami:\n%s", out)
	}
	checkCredential(t, s.must("token", "--output", "exec-credential"), server.URL)
	kubectlSends(t, s)
	expire(t, s)
	checkCredential(t, s.must("token", "--output", "exec-credential"), server.URL)
	manyAtOnce(t, s)

	if out := s.must("logout"); out != "Signed out of "+server.URL+".\n" {
		t.Error(out)
	}
	if status := ask(t, server.URL+"/api/0/organizations/", token); status != http.StatusUnauthorized {
		t.Errorf("the access token after signing out: %d", status)
	}
	if code, out, said := s.run("token"); code != 3 || out != "" || !strings.Contains(said, "run `gatehouse login --issuer "+server.URL) {
		t.Errorf("exit code %d, %q, %q", code, out, said)
	}
	s.must("logout")
}

func ask(t *testing.T, address, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func checkCredential(t *testing.T, printed, issuer string) {
	t.Helper()
	var credential struct {
		APIVersion, Kind string
		Status           struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	if err := json.Unmarshal([]byte(printed), &credential); err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Iss    string
		Aud    any
		Groups []string
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(credential.Status.Token+"..", ".")[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatalf("no ID token: %v", err)
	}
	left := time.Until(credential.Status.ExpirationTimestamp)
	if credential.APIVersion != "client.authentication.k8s.io/v1" || credential.Kind != "ExecCredential" || left < time.Minute || left > time.Hour ||
		claims.Iss != issuer || len(claims.Groups) != 1 {
		t.Errorf("%s %s for %v: %+v", credential.APIVersion, credential.Kind, left, claims)
	}
}

// kubectlSends lets the library that kubectl is made of ask the exec plugin.
func kubectlSends(t *testing.T, s *shell) {
	t.Helper()
	var sent string
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent = r.Header.Get("Authorization") }))
	defer cluster.Close()
	config := &rest.Config{
		Host: cluster.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true},
		ExecProvider: &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "gatehouse", Args: []string{"token", "--output", "exec-credential"},
			InteractiveMode: api.NeverExecInteractiveMode,
		},
	}
	for _, e := range s.env {
		name, value, _ := strings.Cut(e, "=")
		config.ExecProvider.Env = append(config.ExecProvider.Env, api.ExecEnvVar{Name: name, Value: value})
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Get(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if token, bearer := strings.CutPrefix(sent, "Bearer "); !bearer || strings.Count(token, ".") != 2 {
		t.Error("kubectl sends no ID token")
	}
}

// manyAtOnce lets processes find a token that has ended, all at the same moment.
func manyAtOnce(t *testing.T, s *shell) {
	t.Helper()
	for range 2 {
		expire(t, s)
		var all sync.WaitGroup
		got := make([]string, 4)
		for i := range got {
			all.Go(func() { _, got[i], _ = s.run("token") })
		}
		all.Wait()
		for _, one := range got {
			if one == "" || one != got[0] {
				t.Error("processes at once got different tokens, or none")
			}
		}
	}
}

// expire makes the kept tokens look old.
func expire(t *testing.T, s *shell) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(configHome(s), "gatehouse/logins/*.secret"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]any
	if err := json.Unmarshal(data, &kept); err != nil {
		t.Fatal(err)
	}
	kept["accessExpiresAt"], kept["idExpiresAt"] = time.Now(), time.Now()
	if data, err = json.Marshal(kept); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(found[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func configHome(s *shell) (dir string) {
	for _, e := range s.env {
		if value, ok := strings.CutPrefix(e, "XDG_CONFIG_HOME="); ok {
			dir = value
		}
	}
	return dir
}

func TestCtrlCEndsTheWaitForAnApproval(t *testing.T) {
	t.Parallel()
	manifests := t.TempDir()
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(loginManifests), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := process.Serve(t.Context(), process.Options{Binary: "gatehouse", Manifests: manifests, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	s := newShell(t)
	cmd, _, said := s.invitation("--issuer", server.URL, "--client-id", "acme.cli", "--scope", "org:read")
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 130 || !strings.HasSuffix(said.String(), "gatehouse: stopped; nobody was signed in\n") {
		t.Errorf("exit code %d:\n%s", cmd.ProcessState.ExitCode(), said)
	}
	for _, c := range []struct{ client, scope, want string }{
		{"acme.none", "org:read", "check --client-id acme.none: it must be a public ApiApplication of type Device"},
		{"acme.cli", "no:such", "check --scope"},
	} {
		if code, _, said := s.run("login", "--issuer", server.URL, "--client-id", c.client, "--scope", c.scope); code != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%+v: exit code %d: %s", c, code, said)
		}
	}
}
