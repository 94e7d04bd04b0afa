package chart

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// The installed Deployment, started as a node would start it: its image, arguments and
// environment, as its user, with a token of its ServiceAccount under RBAC.
func TestWhatIsInstalledGivesAToken(t *testing.T) {
	if !inNetworkOfItsOwn(t) {
		return
	}
	all, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	for i, way := range []struct{ name, set, scheme string }{
		{"behind a proxy", "issuer=" + issuer, "http://"},
		{"ending TLS itself", "issuer=" + issuer + ",tls.secretName=pair", "https://"},
		{"in listed namespaces", "issuer=" + issuer + ",namespaces={acme,globex}", "http://"}, // which the samples made
	} {
		t.Run(way.name, func(t *testing.T) {
			helm := all[i%len(all)]
			helm.must(t, c.kubeconfig, "install", "gatehouse", path, "--namespace", namespace, "--create-namespace", "--set", way.set)
			defer helm.uninstall(t, c)
			// Each has keys of its own, so what it served is not the next one's.
			defer func() {
				for _, name := range []string{"acme", "globex"} { // which are protected
					c.kubectl(t, "", "patch", "organization", name, "--namespace", name, "--type", "merge", "--patch", `{"spec": {"deletionPolicy": "Delete"}}`)
				}
				c.kubectl(t, "", "delete", "gatehouse", "--all", "-A")
			}()
			box := newContainer(t, c)
			client := box.certificate(t)
			log := box.start(t)
			for end := time.Now().Add(time.Minute); !box.answers(t, box.spec.ReadinessProbe); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("never ready:\n%s", log)
				}
			}
			if !box.answers(t, box.spec.LivenessProbe) || !box.answers(t, box.spec.StartupProbe) {
				t.Error("a probe fails that must not")
			}
			c.kubectl(t, "", "apply", "-f", root+"/config/samples")
			c.kubectl(t, "", "wait", "--for=condition=Ready", "--timeout=60s", "-n", "acme", "apiapplication/ci", "authrole/release-bot")
			askForToken(t, client, way.scheme+"127.0.0.1:"+box.port(t, c))
			operate(t, box)
		})
	}
}

// operate is kubectl exec, with the commands of the notes and of docs/install.md.
func operate(t *testing.T, box *container) {
	t.Helper()
	const password = "correct horse battery staple"
	leaks.Remember(password)
	create := box.command("user", "create", "you@example.com", "--password-stdin")
	create.Stdin = strings.NewReader(password)
	if out, err := create.CombinedOutput(); err != nil || !strings.Contains(string(out), "created you@example.com") {
		t.Errorf("the first person: %v: %s", err, out)
	}
	if out, err := box.command("store", "backup", "-").Output(); err != nil || !strings.HasPrefix(string(out), "SQLite format 3") {
		t.Errorf("the backup before an upgrade: %v, %d bytes", err, len(out))
	}
	keys := "The keys live in Secret " + namespace + "/gatehouse-keyring.\n"
	if out, err := box.command("keys", "list").CombinedOutput(); err != nil || !strings.Contains(string(out), keys) {
		t.Errorf("where the keys are: %v: %s", err, out)
	}
	if out, err := box.command("keys", "rotate", "--compromised", "--yes").CombinedOutput(); err != nil || !strings.Contains(string(out), "signs from now on") {
		t.Errorf("the rotation of keys: %v: %s", err, out)
	}
}

// certificate writes what a kubelet mounts of a kubernetes.io/tls Secret, if the Deployment
// wants one, and returns a client that trusts it.
func (b *container) certificate(t *testing.T) *http.Client {
	t.Helper()
	authority := httptest.NewTLSServer(nil)
	defer authority.Close()
	pair := authority.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range b.spec.VolumeMounts {
		if m.Name != "tls" {
			continue
		}
		dir := filepath.Join(b.root, m.MountPath)
		err := errors.Join(
			os.WriteFile(filepath.Join(dir, corev1.TLSCertKey), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o644),
			os.WriteFile(filepath.Join(dir, corev1.TLSPrivateKeyKey), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	return authority.Client()
}

// answers asks what a probe asks.
func (b *container) answers(t *testing.T, probe *corev1.Probe) bool {
	t.Helper()
	response, err := http.Get("http://127.0.0.1:" + b.named(t, probe.HTTPGet.Port.String()) + probe.HTTPGet.Path)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// askForToken asks as a proxy in front or a caller would, for the machine of the samples.
func askForToken(t *testing.T, client *http.Client, server string) {
	t.Helper()
	response, err := client.Get(server + "/.well-known/oauth-authorization-server")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var metadata struct {
		Issuer string `json:"issuer"`
		Token  string `json:"token_endpoint"`
	}
	if err := json.NewDecoder(response.Body).Decode(&metadata); err != nil || metadata.Issuer != issuer {
		t.Fatalf("the issuer is %q, want %s: %v", metadata.Issuer, issuer, err)
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"project:releases"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		server+strings.TrimPrefix(metadata.Token, issuer), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("acme.ci", "for-trying-out-only-everybody-knows-this")
	answer, err := leaks.Transport(client.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var token struct {
		Type   string `json:"token_type"`
		Access string `json:"access_token"`
		Scope  string `json:"scope"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil || answer.StatusCode != http.StatusOK ||
		token.Type != "Bearer" || token.Access == "" || token.Scope != "project:releases" {
		t.Errorf("answered %s with a %q token of scope %q (%v)", answer.Status, token.Type, token.Scope, err)
	}
}
