package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	account = "system:serviceaccount:gatehouse-system:gatehouse"
	// patience bounds every wait. A namespace takes five seconds at the least, and on a slow
	// machine much longer.
	patience = 2 * time.Minute
)

// house is a cluster that finishes deletions, with the real program in it as the service
// account of config/rbac.
type house struct {
	client.Client
	t         *testing.T
	audit     *localkube.Audit
	deleters  *localkube.Manager
	adminFile string // an administrator's kubeconfig
	binary    string
	dir       string
	listen    string
	opsListen string
	running   *process.Process // nil while stopped
	logs      []string         // of processes that ended
	http      *http.Client
}

func build(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), http: &http.Client{Transport: leaks.Transport(http.DefaultTransport)}}
	var err error
	if h.audit, err = localkube.NewAudit(h.dir); err != nil {
		t.Fatal(err)
	}
	kube, err := localkube.Start("", nil, h.audit.Option())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	h.adminFile = filepath.Join(h.dir, "admin")
	if err := os.WriteFile(h.adminFile, kube.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	if h.Client, err = client.New(kube.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	readConfig(t)
	h.kubectl("apply", "-k", "../../config/default")
	h.define()
	h.manage(kube)
	h.prepare(kube)
	return h
}

// readConfig reads what only kubectl reads otherwise: a test's cached result is as old as the
// files that its own process opened.
func readConfig(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("../../config/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("config is not found", err)
	}
	for _, f := range files {
		if _, err := os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
}

// manage has deletions finished.
func (h *house) manage(kube *localkube.Cluster) {
	h.t.Helper()
	var err error
	if h.deleters, err = kube.Manage(h.dir, localkube.Deleters...); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if h.t.Failed() {
			h.t.Log(h.deleters.Log())
		}
		if err := h.deleters.Stop(); err != nil {
			h.t.Error(err)
		}
	})
}

// prepare builds the program and makes it known to the cluster.
func (h *house) prepare(kube *localkube.Cluster) {
	h.t.Helper()
	user, err := kube.AddUser(envtest.User{
		Name: account, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"},
	}, &rest.Config{})
	if err != nil {
		h.t.Fatal(err)
	}
	own, err := user.KubeConfig()
	if err != nil {
		h.t.Fatal(err)
	}
	ownFile := filepath.Join(h.dir, "own")
	if err := os.WriteFile(ownFile, own, 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.t.Setenv("KUBECONFIG", ownFile)
	var err1, err2 error
	h.binary, err = process.Build(h.t.Context(), h.dir)
	h.listen, err1 = process.FreeAddress()
	h.opsListen, err2 = process.FreeAddress()
	if err := errors.Join(err, err1, err2); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		h.stop()
		if h.t.Failed() {
			h.t.Log(strings.Join(h.logs, "\n"))
		}
	})
}

// start starts Gatehouse and waits until it is ready.
func (h *house) start() {
	h.t.Helper()
	// Not the test's context, which ends before the cleanup: it is interrupted, not killed.
	p, err := process.Start(context.Background(), "http://"+h.listen, "http://"+h.opsListen+"/readyz", h.binary, "serve", "--dev",
		"--issuer", "http://"+h.listen, "--listen", h.listen, "--ops-listen", h.opsListen,
		"--data-dir", filepath.Join(h.dir, "data"), "--rate-limit-scale", "0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.running = p
}

// stop interrupts Gatehouse, which must end well.
func (h *house) stop() {
	h.t.Helper()
	if h.running == nil {
		return
	}
	if err := h.running.Stop(); err != nil {
		h.t.Errorf("Gatehouse ended with %v", err)
	}
	h.logs = append(h.logs, h.running.Printed.String())
	h.running = nil
}

// log is everything that Gatehouse has logged.
func (h *house) log() string {
	all := strings.Join(h.logs, "")
	if h.running != nil {
		all += h.running.Printed.String()
	}
	return all
}

func (h *house) kubectl(args ...string) string {
	h.t.Helper()
	path, err := localkube.Kubectl()
	if err != nil {
		h.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(h.t.Context(), path, append(args, "--kubeconfig", h.adminFile)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

// eventually waits until check returns nil.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("never %s: %v", what, err)
}

// token asks for one with a client secret; without it, the error says why.
func (h *house) token(t *testing.T, clientID, secret string) (token, why string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.listen+"/oauth/token/", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, secret)
	var answer struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
	}
	if status := h.ask(t, r, &answer); (status == http.StatusOK) != (answer.Token != "") {
		t.Fatalf("%s: answered %d %s", clientID, status, answer.Error)
	}
	return answer.Token, answer.Error
}

// works reports whether the organization lets the token in.
func (h *house) works(t *testing.T, token, slug string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.listen+"/api/0/organizations/"+slug+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	var answer map[string]any
	switch status := h.ask(t, r, &answer); status {
	case http.StatusOK:
		return true
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return false
	default:
		t.Fatalf("answered %d %v", status, answer)
		return false
	}
}

func (h *house) ask(t *testing.T, r *http.Request, into any) int {
	t.Helper()
	answer, err := h.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// keepShown keeps what stands in status and in Events for the search for secrets.
func (h *house) keepShown(t *testing.T) {
	t.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.OrganizationList{}, &v1alpha1.ApiApplicationList{}, &v1alpha1.RoleList{}, &corev1.EventList{}} {
		if err := h.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		shown, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		leaks.Emitted("lifecycle-shown", shown)
	}
}

// asked counts the requests of Gatehouse that a test wants to know of, by object.
func (h *house) asked(of func(localkube.Event) bool) map[string]int {
	h.t.Helper()
	all, err := h.audit.Events()
	if err != nil {
		h.t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range all {
		if e.User == account && e.Resource != "leases" && of(e) {
			count[fmt.Sprintf("%s %s %s/%s", e.Verb, e.Resource, e.Namespace, e.Name)]++
		}
	}
	return count
}
