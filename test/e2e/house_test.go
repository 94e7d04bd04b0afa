package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/person"
)

// house is a cluster with the real programs: kube-apiserver, kubectl and gatehouse.
type house struct {
	t *testing.T
	kubectlPath, gatehousePath,
	adminConfig, ownConfig, // kubeconfigs: an administrator's, the service account's
	data, issuer, listen, opsListen string

	process *exec.Cmd
	log     bytes.Buffer
	client  *oauth2.Config
	person  *person.Person
}

// build makes the program and a cluster with config/default in it.
func build(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{
		t: t, gatehousePath: filepath.Join(dir, "gatehouse"), data: filepath.Join(dir, "data"),
		adminConfig: filepath.Join(dir, "admin"), ownConfig: filepath.Join(dir, "own"),
		listen: freeAddress(t), opsListen: freeAddress(t),
	}
	h.issuer = ingress(t, h.listen)
	h.person = person.New()
	h.run(exec.CommandContext(t.Context(), "go", "build", "-o", h.gatehousePath, "../.."), "")
	kube, err := localkube.Start("", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	user, err := kube.AddUser(envtest.User{
		Name:   "system:serviceaccount:gatehouse-system:gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"},
	}, &rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(h.adminConfig, kube.KubeConfig, 0o600), os.WriteFile(h.ownConfig, own, 0o600)); err != nil {
		t.Fatal(err)
	}
	if h.kubectlPath, err = localkube.Kubectl(); err != nil {
		t.Fatal(err)
	}
	h.kubectl("apply", "-k", "../../config/default")
	return h
}

// ingress ends TLS in front of gatehouse, as one does in production, and returns its URL,
// which everything in this test process trusts.
func ingress(t *testing.T, backend string) string {
	t.Helper()
	s := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: backend})
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(s.Close)
	http.DefaultTransport = leaks.Transport(s.Client().Transport)
	return s.URL
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts gatehouse and waits until it is ready.
func (h *house) serve() {
	h.t.Helper()
	// Not the test's context, which ends before the cleanup: it is interrupted, not killed.
	h.process = exec.Command(h.gatehousePath, "serve", "--issuer", h.issuer, "--listen", h.listen,
		"--ops-listen", h.opsListen, "--data-dir", h.data, "--trusted-proxies", "127.0.0.0/8", "--rate-limit-scale", "0")
	h.process.Env = append(os.Environ(), "KUBECONFIG="+h.ownConfig)
	h.process.Stdout, h.process.Stderr = &h.log, &h.log
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	running := h.process
	h.t.Cleanup(func() {
		if h.process == running {
			h.stop()
		}
		if h.t.Failed() {
			h.t.Log(h.log.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); !h.get("http://" + h.opsListen + "/readyz"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatal("never ready")
		}
	}
	h.discover()
}

func (h *house) get(url string) bool {
	response, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// discover configures the client as its user would: from the issuer alone.
func (h *house) discover() {
	h.t.Helper()
	response, err := http.Get(h.issuer + "/.well-known/oauth-authorization-server")
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var metadata struct {
		Token  string `json:"token_endpoint"`
		Device string `json:"device_authorization_endpoint"`
	}
	if err := json.NewDecoder(response.Body).Decode(&metadata); err != nil {
		h.t.Fatal(err)
	}
	h.client = &oauth2.Config{
		ClientID: "acme.cli", Scopes: []string{"org:read", "project:read", "offline_access"},
		Endpoint: oauth2.Endpoint{TokenURL: metadata.Token, DeviceAuthURL: metadata.Device, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// stop interrupts gatehouse, which must end well.
func (h *house) stop() {
	h.t.Helper()
	if err := h.process.Process.Signal(syscall.SIGINT); err != nil {
		h.t.Fatal(err)
	}
	if err := h.process.Wait(); err != nil {
		h.t.Errorf("gatehouse ended with %v", err)
	}
	h.process = nil
	h.keepEmitted()
}

// keepEmitted keeps what everybody may read for the search for secrets: the log, the
// store, and what stands in status and in events.
func (h *house) keepEmitted() {
	h.t.Helper()
	leaks.Emitted("e2e-log", h.log.Bytes())
	leaks.Emitted("e2e-status", []byte(h.kubectl("get", "gatehouse,events", "-A", "-o", "yaml")))
	for _, suffix := range []string{"", "-wal"} {
		if content, err := os.ReadFile(filepath.Join(h.data, "gatehouse.db"+suffix)); err == nil {
			leaks.Emitted("e2e-store", content)
		}
	}
}

func (h *house) kubectl(args ...string) string {
	h.t.Helper()
	return h.kubectlStdin("", args...)
}

func (h *house) kubectlStdin(stdin string, args ...string) string {
	h.t.Helper()
	return h.run(exec.CommandContext(context.Background(), h.kubectlPath, append(args, "--kubeconfig", h.adminConfig)...), stdin)
}

func (h *house) patch(object, patch string) {
	h.t.Helper()
	h.kubectl("patch", "-n", "acme", object, "--type=merge", "-p", patch)
}

func (h *house) gatehouse(stdin string, args ...string) string {
	h.t.Helper()
	cmd := exec.CommandContext(context.Background(), h.gatehousePath, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+h.ownConfig) // as in the pod
	return h.run(cmd, stdin)
}

func (h *house) run(cmd *exec.Cmd, stdin string) string {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

// ready waits until the command line tool and its organization are served again.
func (h *house) ready() {
	h.t.Helper()
	h.kubectl("wait", "-n", "acme", "--for=condition=Ready", "--timeout=30s", "organization/acme", "apiapplication/cli", "authrole/developer")
}

// versions lists every object of the four kinds with its resourceVersion.
func (h *house) versions() []string {
	h.t.Helper()
	return strings.Split(strings.TrimSpace(h.kubectl("get", "gatehouse", "-A", "-o",
		`jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{"\n"}{end}`)), "\n")
}
