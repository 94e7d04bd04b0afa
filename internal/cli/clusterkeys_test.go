package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// rotator is the Role of docs/keys.md.
const rotator = `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rotator, namespace: gatehouse-system}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [gatehouse-keyring], verbs: [list, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rotator, namespace: gatehouse-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rotator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: rotator}]
`

func kubectlOut(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	binary, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, append([]string{"--kubeconfig", kubeconfig}, args...)...).Output()
	if err != nil {
		t.Fatalf("kubectl %v: %v", args, err)
	}
	return string(out)
}

// home is a real cluster with an installation in it, which has the rights of config/rbac.
type home struct {
	t       *testing.T // of the part that runs
	whole   *testing.T
	admin   string // path of a client configuration
	rotator string // that of somebody who may rotate keys
	tenant  string // that of somebody who works in acme
	dataDir string
	out     logged // of all servers
	listen  string
	url     string
	ops     string
	stop    func()
}

// logged is what servers have logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newHome(t *testing.T) *home {
	t.Helper()
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	kube, err := localkube.Start("", definitions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	h := &home{t: t, whole: t, admin: kubeconfig(t, kube, "admin", "system:masters"), dataDir: filepath.Join(t.TempDir(), "data")}
	h.rotator, h.tenant = kubeconfig(t, kube, "rotator"), kubeconfig(t, kube, "tenant")
	h.listen = freeAddress(t)
	_, port, err := net.SplitHostPort(h.listen)
	if err != nil {
		t.Fatal(err)
	}
	h.url, h.ops = "http://localhost:"+port, "http://"+freeAddress(t)
	kubectl(t, h.admin, "apply", "-f", "../../config/default/namespace.yaml")
	kubectl(t, h.admin, "apply", "-k", "../../config/rbac")
	kubectl(t, h.admin, "apply", "-f", "../../config/samples")
	t.Setenv("KUBECONFIG", kubeconfig(t, kube, "system:serviceaccount:gatehouse-system:gatehouse",
		"system:serviceaccounts", "system:serviceaccounts:gatehouse-system"))
	return h
}

// start serves as a pod would.
func (h *home) start() {
	h.t.Helper()
	o := serveOptions{dev: true, listen: h.listen, opsListen: strings.TrimPrefix(h.ops, "http://"), dataDir: &h.dataDir}
	if err := o.complete(); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(h.whole.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, o, io.Discard, &h.out) }()
	stopped := false
	h.stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			h.whole.Errorf("serve ended with %v", err)
		}
	}
	h.whole.Cleanup(h.stop)
}

func (h *home) serve() {
	h.t.Helper()
	h.start()
	h.eventually("ready", func() error {
		if status, said := h.get(h.ops + "/readyz"); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, said)
		}
		return nil
	})
}

func (h *home) get(address string) (status int, body string) {
	response, err := http.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(b)
}

func (h *home) eventually(what string, check func() error) {
	h.t.Helper()
	var err error
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	h.t.Fatalf("never %s: %v\n%s", what, err, h.out.String())
}

// within is what holds within two seconds.
func (h *home) within(what string, check func() bool) {
	h.t.Helper()
	began := time.Now()
	h.eventually(what, func() error {
		if !check() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if took := time.Since(began); took > 2*time.Second {
		h.t.Errorf("%s took %s", what, took)
	}
}

// waits waits until /readyz says why there are no keys.
func (h *home) waits(says string) {
	h.t.Helper()
	h.eventually("said "+says, func() error {
		if status, said := h.get(h.ops + "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(said, says) {
			return fmt.Errorf("%d %s", status, said)
		}
		return nil
	})
	if status, _ := h.get(h.ops + "/healthz"); status != http.StatusOK {
		h.t.Errorf("/healthz answers %d: the pod would be restarted for nothing", status)
	}
}

// token asks for an opaque token as the machine of the samples.
func (h *home) token() string {
	h.t.Helper()
	token, err := h.tryToken()
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func (h *home) tryToken() (string, error) {
	h.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"project:releases"}}
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.url+"/oauth/token/", strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("acme.ci", "for-trying-out-only-everybody-knows-this")
	response, err := leaks.Transport(http.DefaultTransport).RoundTrip(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("answered %s: %w", response.Status, err)
	}
	return answer.Token, nil
}

// accepted reports whether a token is taken for one.
func (h *home) accepted(token string) bool {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.url+"/api/0/organizations/acme/", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode != http.StatusUnauthorized
}

// published are the ids of the public keys.
func (h *home) published() (ids []string) {
	h.t.Helper()
	_, body := h.get(h.url + "/oauth/jwks.json")
	for _, found := range regexp.MustCompile(`"kid":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, found[1])
	}
	slices.Sort(ids)
	return ids
}

// run is a command with the server's data directory, or another one.
func (h *home) run(code int, says string, args ...string) string {
	h.t.Helper()
	var out bytes.Buffer
	if got := Main(args, strings.NewReader(""), &out, &out); got != code || !strings.Contains(out.String(), says) {
		h.t.Errorf("%v: exit code %d, want %d and %q in\n%s", args, got, code, says, out.String())
	}
	leaks.Emitted("keys-in-a-cluster", out.Bytes())
	return out.String()
}

func (h *home) copied() (*keyring.Keyring, string) {
	h.t.Helper()
	k, of, err := keyring.Read(h.dataDir)
	if err != nil {
		h.t.Fatal(err)
	}
	return k, of
}

// edit is kubectl with a file of the keyring.
func (h *home) edit(k *keyring.Keyring) {
	h.t.Helper()
	data, err := k.Marshal()
	if err != nil {
		h.t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"data": map[string][]byte{keyring.FileName: data}})
	if err != nil {
		h.t.Fatal(err)
	}
	kubectl(h.t, h.admin, "-n", "gatehouse-system", "patch", "secret", "gatehouse-keyring", "--patch-file", write(h.t, h.t.TempDir(), "patch.json", string(patch)))
}

func (h *home) events() []store.Event {
	h.t.Helper()
	db, err := openStore(h.t.Context(), h.dataDir, false)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all, err := db.Events(h.t.Context(), 100)
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e store.Event) bool { return !strings.HasPrefix(e.Action, "keys.") })
}

// An installation's whole life: its keys are made once, survive the loss of the volume, come
// from a file of before, rotate by every way there is, and are never replaced.
func TestTheKeysOfAClusterLiveInASecret(t *testing.T) {
	h := newHome(t)
	h.serve()
	before := h.token()
	if !h.accepted(before) {
		t.Fatal("its own token is refused")
	}
	first, of := h.copied()
	if of != "gatehouse-system/gatehouse-keyring" {
		t.Errorf("the copy is of %q", of)
	}
	h.run(exitOK, "The keys live in Secret gatehouse-system/gatehouse-keyring.\n", "keys", "list", "--data-dir", h.dataDir)

	t.Run("a Secret that is deleted is put back", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		data := kubectlOut(t, h.admin, "-n", "gatehouse-system", "get", "secret", "gatehouse-keyring", "-o", "jsonpath={.data}")
		kubectl(t, h.admin, "-n", "gatehouse-system", "delete", "secret", "gatehouse-keyring")
		h.eventually("put back", func() error {
			if now := kubectlOut(t, h.admin, "-n", "gatehouse-system", "get", "secret", "gatehouse-keyring", "--ignore-not-found", "-o", "jsonpath={.data}"); now != data {
				return fmt.Errorf("it has %d bytes, not %d", len(now), len(data))
			}
			return nil
		})
		if !h.accepted(before) {
			t.Error("a token is refused")
		}
	})
	t.Run("an installation of before is imported", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		h.stop()
		kubectl(t, h.admin, "-n", "gatehouse-system", "delete", "secret", "gatehouse-keyring")
		if err := ownKeys(h.dataDir); err != nil { // as it was before there was a Secret
			t.Fatal(err)
		}
		h.serve()
		if now, of := h.copied(); !now.Same(first) || of == "" || now.TokenKeys()[0].ID != first.TokenKeys()[0].ID {
			t.Errorf("the copy is of %q", of)
		}
		if !h.accepted(before) {
			t.Error("a token of before is refused")
		}
	})
	t.Run("keys rotate in the pod", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		old := h.published()
		h.run(exitOK, "takes over at", "keys", "rotate", "--data-dir", h.dataDir)
		h.within("the next keys are published", func() bool { return len(h.published()) == len(old)+2 })
		h.run(exitFindings, "rotate keys: a next key is waiting already; it takes over at", "keys", "rotate", "--data-dir", h.dataDir)
		if !h.accepted(before) {
			t.Error("a token of the current key is refused")
		}
		h.eventually("kept", func() error {
			if k, _ := h.copied(); len(k.TokenKeys()) != 2 {
				return fmt.Errorf("the copy has %d token keys", len(k.TokenKeys()))
			}
			return nil
		})
	})
	t.Run("a key of an administrator takes over at its time", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		next, err := first.Rotate(rand.Reader, time.Now().Add(-keyring.Lead-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		h.edit(next)
		id := fmt.Sprintf("%x", next.TokenKeys()[1].ID)
		h.within("the next key signs", func() bool {
			return strings.Contains(h.run(exitOK, "", "keys", "list", "--output", "json", "--data-dir", h.dataDir), id) && len(h.published()) == 4
		})
		after := h.token()
		if !h.accepted(before) || !h.accepted(after) {
			t.Error("a token is refused")
		}
		h.edit(first) // the backup: what only the next key has signed ends
		h.within("the token of a key that is gone is refused", func() bool { return !h.accepted(after) })
		if !h.accepted(before) {
			t.Error("a token of before is refused")
		}
	})
	t.Run("keys rotate from elsewhere", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		kubectl(t, h.admin, "apply", "-f", write(t, t.TempDir(), "rotator.yaml", rotator))
		t.Setenv("KUBECONFIG", h.rotator)
		nowhere := filepath.Join(t.TempDir(), "none")
		h.run(exitUsage, "has no store", "keys", "rotate", "--data-dir", nowhere)
		h.run(exitOK, "current", "keys", "list", "--cluster", "--data-dir", nowhere)
		h.run(exitFindings, `secrets "gatehouse-keyring" is forbidden`, "keys", "list", "--cluster", "--system-namespace", "acme", "--data-dir", nowhere)
		h.run(exitOK, "takes over at", "keys", "rotate", "--cluster", "--data-dir", nowhere)
		h.within("the next keys are published", func() bool { return len(h.published()) == 4 })
		h.run(exitOK, "every token of the keys before them ends within a second", "keys", "rotate", "--cluster", "--compromised", "--yes", "--data-dir", nowhere)
		h.within("every token ends", func() bool { return !h.accepted(before) })
		h.eventually("recorded", func() error {
			if events := h.events(); len(events) == 0 || events[0].Action != "keys.rotated" || events[0].Reason != "compromised" || strings.Count(events[0].Target, " ") != 2 {
				return fmt.Errorf("the events are %+v", events)
			}
			return nil
		})
	})
	t.Run("a lost volume loses no keys", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		h.stop()
		last, _ := h.copied()
		was := h.dataDir
		h.dataDir = filepath.Join(t.TempDir(), "data")
		h.serve()
		if now, _ := h.copied(); !now.Same(last) || now.TokenKeys()[0].ID != last.TokenKeys()[0].ID {
			t.Error("the keys are others")
		}
		h.stop()
		h.dataDir = was
	})
	t.Run("a lost Secret is never replaced by new keys", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		last, _ := h.copied()
		backup := filepath.Join(t.TempDir(), keyring.FileName)
		if err := os.Rename(filepath.Join(h.dataDir, keyring.FileName), backup); err != nil {
			t.Fatal(err)
		}
		kubectl(t, h.admin, "-n", "gatehouse-system", "delete", "secret", "gatehouse-keyring")
		h.start()
		h.waits("Secret gatehouse-system/gatehouse-keyring is missing, but the store was used with keys [" + last.Fingerprint() + "]")
		// The cure is what it says.
		_, said := h.get(h.ops + "/readyz")
		for _, command := range regexp.MustCompile("`kubectl ([^`]+)`").FindAllStringSubmatch(said, -1) {
			kubectl(t, h.admin, strings.Fields(strings.Replace(command[1], "=keyring.json", "=keyring.json="+backup, 1))...)
		}
		h.eventually("ready", func() error {
			if status, said := h.get(h.ops + "/readyz"); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, said)
			}
			return nil
		})
		if now, _ := h.copied(); !now.Same(last) {
			t.Error("the keys are others")
		}
		h.stop()
	})
	t.Run("the keys of another installation are not taken", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		other, err := keyring.New(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		last, _ := h.copied()
		h.edit(other)
		h.start()
		h.waits("holds keys " + other.Fingerprint() + ", but the store was used with keys [" + last.Fingerprint() + "]")
		h.run(exitFindings, "holds the keyring of installation "+other.Installation, "keys", "rotate", "--data-dir", h.dataDir)
		h.edit(last)
		h.eventually("ready", func() error {
			if status, said := h.get(h.ops + "/readyz"); status != http.StatusOK {
				return fmt.Errorf("%d %s", status, said)
			}
			return nil
		})
		h.stop()
	})
	t.Run("an API server that is away is waited for", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		config, err := os.ReadFile(h.admin)
		if err != nil {
			t.Fatal(err)
		}
		away := regexp.MustCompile(`server: \S+`).ReplaceAllString(string(config), "server: https://"+freeAddress(t))
		t.Setenv("KUBECONFIG", write(t, t.TempDir(), "kubeconfig", away))
		h.start()
		h.waits("read Secret gatehouse-system/gatehouse-keyring: ")
		h.stop()
	})
	h.showsNoKey(first)
}

// showsNoKey searches everything that was logged.
func (h *home) showsNoKey(all ...*keyring.Keyring) {
	last, _ := h.copied()
	said := h.out.String()
	leaks.Emitted("serve-in-a-cluster", []byte(said))
	for _, k := range append(all, last) {
		data, err := k.Marshal()
		if err != nil {
			h.t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`[0-9A-Za-z+/]{40,}=*`).FindAllString(string(data), -1) {
			if strings.Contains(said, found) {
				h.t.Error("a key was logged")
			}
		}
	}
	if !strings.Contains(said, "keyring") {
		h.t.Error("nothing was logged of the keyring")
	}
}
