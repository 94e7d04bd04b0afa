package kubelogin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
	"github.com/gatehouse-dev/gatehouse/test/person"
	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	ann      = "ann@acme.example"
	password = "correct horse battery staple"
	kubectl  = "acme.kubectl" // client IDs
	other    = "acme.other"

	// exampleID is what the page shows as the id of the Organization.
	exampleID = "5f0e8a0e-0000-4000-8000-000000000001"
)

// house is a cluster with Gatehouse in front of it, and the machine of a person with
// gatehouse and kubectl on it.
type house struct {
	t       *testing.T
	kube    *localkube.Cluster
	kubeLog process.Output
	person  *person.Person

	dir, data, home, bin,
	kubectlPath, gatehousePath,
	caFile, kubeCA, adminConfig, annConfig, authentication string
	issuer, organizationID string
	ca                     *authority
	blocks                 map[string]string
}

// build starts a cluster that trusts nobody yet, and Gatehouse with what the page declares.
func build(t *testing.T) *house {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	h := &house{
		t: t, dir: dir, data: in("data"), home: in("home"), bin: in("bin"), caFile: in("ca.crt"), kubeCA: in("kubernetes-ca.crt"), // beside the kubeconfig, which names it so
		adminConfig: in("admin"),
		annConfig:   in("kubeconfig"), authentication: in("authentication.yaml"), ca: newAuthority(t), blocks: blocks(t),
	}
	h.must(os.Mkdir(h.home, 0o700), os.Mkdir(h.bin, 0o700), os.WriteFile(h.caFile, h.ca.pem, 0o600))
	h.trust("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n")
	var err error
	if h.kubectlPath, err = localkube.Kubectl(); err != nil {
		t.Fatal(err)
	}
	if h.gatehousePath, err = process.Build(t.Context(), h.bin); err != nil {
		t.Fatal(err)
	}
	h.kube, err = localkube.Start("", nil, localkube.Flag("authentication-config", h.authentication), localkube.Log(&h.kubeLog))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.kube.Stop(); err != nil {
			t.Error(err)
		}
		if _, said, found := strings.Cut(h.kubeLog.String(), "authentication config"); found && t.Failed() {
			t.Log("kube-apiserver, from what it says of the configuration on:", said)
		}
	})
	h.must(os.WriteFile(h.adminConfig, h.kube.KubeConfig, 0o600))
	h.admin("apply", "-k", "../../config/default")
	h.admin("apply", "-f", "../../config/samples")
	h.serve()
	h.person = person.New()
	leaks.Remember(password)
	h.gatehouse(password, "user", "create", ann, "--password-stdin", "--data-dir", h.data)
	return h
}

// serve starts gatehouse as the cluster's service account, with TLS of its own.
func (h *house) serve() {
	h.t.Helper()
	certFile, keyFile := filepath.Join(h.dir, "tls.crt"), filepath.Join(h.dir, "tls.key")
	h.ca.issue(h.t, certFile, keyFile)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.ca.pem)
	http.DefaultTransport = leaks.Transport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}})

	user, err := h.kube.AddUser(envtest.User{
		Name:   "system:serviceaccount:gatehouse-system:gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"},
	}, &rest.Config{})
	if err != nil {
		h.t.Fatal(err)
	}
	own, err := user.KubeConfig()
	ownFile := filepath.Join(h.dir, "own")
	listen, err2 := process.FreeAddress()
	ops, err3 := process.FreeAddress()
	h.must(err, err2, err3, os.WriteFile(ownFile, own, 0o600))
	h.t.Setenv("KUBECONFIG", ownFile)
	h.issuer = "https://" + listen
	// Not the test's context, which ends before the cleanup.
	gatehouse, err := process.Start(context.Background(), h.issuer, "http://"+ops+"/readyz", h.gatehousePath, "serve",
		"--issuer", h.issuer, "--listen", listen, "--ops-listen", ops, "--tls-cert", certFile, "--tls-key", keyFile,
		"--data-dir", h.data, "--rate-limit-scale", "0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		leaks.Emitted("kubelogin-status", []byte(h.admin("get", "gatehouse,events", "-A", "-o", "yaml")))
		leaks.Database("kubelogin", filepath.Join(h.data, "gatehouse.db"))
		if err := gatehouse.Stop(); err != nil {
			h.t.Error(err)
		}
		if h.t.Failed() {
			h.t.Log(gatehouse.Printed)
		}
	})
}

// declare applies what the page declares, a second group for Ann, and another application.
func (h *house) declare() {
	h.t.Helper()
	h.adminStdin(h.blocks[""], "apply", "-f", "-")
	h.adminStdin(h.blocks["kubernetes"], "apply", "-f", "-")
	h.adminStdin(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: other, namespace: acme}
spec:
  organizationRef: {name: acme}
  clientID: acme.other
  type: Device
  scopes: [openid, email, groups, offline_access]
`, "apply", "-f", "-")
	h.admin("patch", "-n", "acme", "authrole/member", "--type=merge", "-p", `{"spec":{"subjects":[{"kind":"User","name":"`+ann+`"}]}}`)
	h.admin("wait", "-n", "acme", "--for=condition=Ready", "--timeout=30s", "organization/acme",
		"apiapplication/kubectl", "apiapplication/other", "authrole/deployer", "authrole/member")
	h.organizationID = h.admin("get", "-n", "acme", "organization/acme", "-o", "jsonpath={.status.id}")
}

// trust changes the AuthenticationConfiguration, as a team would: whole or not at all.
func (h *house) trust(configuration string) {
	h.t.Helper()
	h.must(os.WriteFile(h.authentication+".new", []byte(configuration), 0o600), os.Rename(h.authentication+".new", h.authentication))
}

// configuration returns one of the page's with the house's own values in it.
func (h *house) configuration(words string) string {
	h.t.Helper()
	text := strings.ReplaceAll(h.blocks[words], exampleID, h.organizationID)
	return fill(h.t, text, map[string]any{"jwt.issuer.url": h.issuer, "jwt.issuer.certificateAuthority": string(h.ca.pem)})
}

// handOut writes the kubeconfig of the page for this cluster.
func (h *house) handOut() {
	h.t.Helper()
	text := strings.ReplaceAll(h.blocks["kubeconfig"], "https://auth.example.com", h.issuer)
	h.must(os.WriteFile(h.kubeCA, h.kube.Config.CAData, 0o600))
	text = fill(h.t, text, map[string]any{
		"clusters.cluster.server": h.kube.Config.Host,
		"users.user.exec.env":     []any{map[string]any{"name": "SSL_CERT_FILE", "value": h.caFile}}, // as the page says
	})
	h.must(os.WriteFile(h.annConfig, []byte(text), 0o600))
}

// admin runs kubectl as an administrator.
func (h *house) admin(args ...string) string { return h.adminStdin("", args...) }

func (h *house) adminStdin(stdin string, args ...string) string {
	h.t.Helper()
	out, err := h.run(exec.CommandContext(context.Background(), h.kubectlPath, append(args, "--kubeconfig", h.adminConfig)...), stdin)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// ann runs kubectl on Ann's machine; what it prints is in the error as well. Whom to trust
// is in her kubeconfig.
func (h *house) ann(args ...string) (string, error) {
	h.t.Helper()
	cmd := h.hers(context.Background(), h.kubectlPath, append(args, "--kubeconfig", h.annConfig)...)
	cmd.Env = []string{"HOME=" + h.home, "PATH=" + h.bin}
	return h.run(cmd, "")
}

func (h *house) gatehouse(stdin string, args ...string) string {
	h.t.Helper()
	out, err := h.run(h.hers(context.Background(), h.gatehousePath, args...), stdin)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// rotate is the command of an administrator where Gatehouse runs. It returns when the server
// uses the new keys: then it has a copy of them.
func (h *house) rotate(flags ...string) {
	h.t.Helper()
	copied := filepath.Join(h.data, keyring.FileName)
	before, err := os.ReadFile(copied)
	h.must(err)
	cmd := exec.CommandContext(context.Background(), h.gatehousePath, append([]string{"keys", "rotate", "--data-dir", h.data}, flags...)...)
	_, err = h.run(cmd, "")
	h.must(err)
	h.soon(func() error {
		if now, err := os.ReadFile(copied); err != nil || bytes.Equal(now, before) {
			return errors.Join(errors.New("the server has the keys of before"), err)
		}
		return nil
	})
}

// hers is a command on Ann's machine.
func (h *house) hers(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"HOME=" + h.home, "PATH=" + h.bin, "SSL_CERT_FILE=" + h.caFile}
	return cmd
}

func (h *house) run(cmd *exec.Cmd, stdin string) (string, error) {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), errors.Join(err, errors.New(cmd.String()+"\n"+string(out)+stderr.String()))
	}
	return string(out), nil
}

func (h *house) must(errs ...error) {
	h.t.Helper()
	if err := errors.Join(errs...); err != nil {
		h.t.Fatal(err)
	}
}

// patience is far more than anything here takes, on a machine that does much else too; the
// longest is kube-apiserver's minute between two looks at its configuration.
const patience = 3 * time.Minute

// soon tries until it succeeds.
func (h *house) soon(try func() error) time.Duration {
	h.t.Helper()
	begun := time.Now()
	for {
		err := try()
		if err == nil {
			return time.Since(begun)
		}
		if time.Since(begun) > patience {
			h.t.Fatalf("not after %v: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
