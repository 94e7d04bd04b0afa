package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// tenant may declare applications in acme, and keyholder may read the keyring besides.
const tenant = `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant-edit, namespace: acme}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatehouse-edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}, {apiGroup: rbac.authorization.k8s.io, kind: User, name: rotator}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: tenant-view, namespace: acme}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gatehouse-view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: tenant}, {apiGroup: rbac.authorization.k8s.io, kind: User, name: rotator}]
`

// given makes an installation the owner of objects, as who may write their status can.
func (h *home) given(owner string, objects ...string) {
	h.t.Helper()
	patch, err := json.Marshal(map[string]any{"status": map[string]string{"installation": owner}})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, o := range objects {
		kind, name, _ := strings.Cut(o, " ")
		kubectl(h.t, h.admin, "-n", "acme", "patch", kind+".v1alpha1.auth.gatehouse.dev", name, "--subresource=status", "--type=merge", "-p", string(patch))
	}
}

func (h *home) ownerOf(kind, name string) string {
	h.t.Helper()
	return kubectlOut(h.t, h.admin, "-n", "acme", "get", kind+".v1alpha1.auth.gatehouse.dev", name, "-o", "jsonpath={.status.installation}")
}

func (h *home) claims() []store.Event {
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
	return slices.DeleteFunc(all, func(e store.Event) bool { return e.Action != "object.claimed" })
}

// What another installation owns is taken over on an administrator's word, in the pod with
// the rights of its ServiceAccount, and served at once; nobody else can.
func TestAdoptTakesOverWhatAnotherInstallationOwns(t *testing.T) {
	h := newHome(t)
	nowhere := filepath.Join(t.TempDir(), "none")
	h.run(exitFindings, "Secret gatehouse-system/gatehouse-keyring is missing", "adopt", "--all", "--cluster", "--data-dir", nowhere)
	h.serve()
	adopt := func(code int, says string, args ...string) string {
		t.Helper()
		return h.run(code, says, append([]string{"adopt", "--data-dir", h.dataDir}, args...)...)
	}
	before := h.token()
	keys, _ := h.copied()

	t.Run("refusals", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		h.run(exitFindings, `context "nirvana" does not exist`, "adopt", "--all", "--context", "nirvana")
		h.run(exitUsage, "has no store", "adopt", "--all", "--data-dir", nowhere)
		h.run(exitUsage, nowhere+" does not name; add --cluster", "adopt", "--all", "--from", "x", "--data-dir", nowhere)
		adopt(exitFindings, "there is no ApiApplication acme/none in the cluster; create it, or correct the name", "ApiApplication", "acme/none")
		adopt(exitUsage, `KIND: "Secret" must be Organization, ApiApplication, AuthProvider or Role`, "Secret", "acme/ci")
		adopt(exitUsage, "--from is read only with --all", "Role", "acme/member", "--from", "x")
		adopt(exitUsage, "is this installation itself", "--all", "--from", keys.Installation)
		adopt(exitUsage, `--namespaces: "A/B" is no name of a namespace`, "--all", "--namespaces", "A/B")
		adopt(exitUsage, "--selector: ", "--all", "--selector", "a b")
		adopt(exitOK, "Role acme/member is this installation's already\n", "Role", "acme/member")
		adopt(exitOK, "ApiApplication acme/ci is this installation's already, and was never gone; there is nothing to adopt\n", "apiapplication", "acme/ci")
		adopt(exitOK, "nothing to adopt\n", "--all")
	})

	// Somebody who may write the status takes a whole tenant.
	h.given("mallory's\x1b[2J", "apiapplication ci", "role member", "role developer")
	h.given("mallory", "organization acme")
	h.within("what is another's is dropped", func() bool { return !h.accepted(before) })

	t.Run("nobody takes over who may not", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		kubectl(t, h.admin, "apply", "-f", write(t, t.TempDir(), "rbac.yaml", rotator+"---\n"+tenant))
		t.Setenv("KUBECONFIG", h.tenant)
		elsewhere := func(code int, says string, args ...string) {
			t.Helper()
			h.run(code, says, append([]string{"adopt", "--cluster", "--data-dir", nowhere}, args...)...)
		}
		elsewhere(exitFindings, `secrets "gatehouse-keyring" is forbidden: User "tenant" cannot list`, "Organization", "acme/acme", "--yes")
		t.Setenv("KUBECONFIG", h.rotator)
		elsewhere(exitFindings, `User "rotator" cannot patch resource "organizations/status"`, "Organization", "acme/acme", "--yes")
		elsewhere(exitFindings, `cannot list resource "organizations" in API group "auth.gatehouse.dev" at the cluster scope; give --namespaces`, "--all")
		elsewhere(exitFindings, `cannot list resource "organizations" in API group "auth.gatehouse.dev" in the namespace "gatehouse-system"`, "--all", "--namespaces", "acme")
		if owner := h.ownerOf("organization", "acme"); owner != "mallory" {
			t.Errorf("the owner is %q", owner)
		}
	})

	t.Run("it is shown, and asked", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		adopt(exitFindings, `its Organization acme/acme is of installation "mallory"; take that over first: gatehouse adopt Organization acme/acme`, "ApiApplication", "acme/ci", "--yes")
		adopt(exitUsage, "--as: Organization acme/acme is of installation", "Organization", "acme/acme", "--as", "x")
		adopt(exitFindings, "its labels do not match --selector team=blue, so nobody would serve it", "Organization", "acme/acme", "--selector", "team=blue", "--yes")
		adopt(exitFindings, "its namespace is not in --namespaces globex", "Organization", "acme/acme", "--namespaces", "globex", "--yes")
		adopt(exitUsage, "no terminal to ask on", "Organization", "acme/acme")
		adopt(exitUsage, "no terminal to ask on", "--all")
		adopt(exitOK, "nothing to adopt", "--all", "--namespaces", "globex", "--dry-run")
		adopt(exitOK, "nothing to adopt", "--all", "--selector", "team=blue", "--dry-run")
		if said := adopt(exitOK, "KIND ", "--all", "--dry-run"); strings.Contains(said, "\x1b") || !strings.Contains(said, "mallory's�[2J") || strings.Count(said, "yes\n") != 4 {
			t.Errorf("it shows %q", said)
		}
		if said := adopt(exitOK, "no: with --yes it has to be said from whom, with --from", "--all", "--yes"); strings.Contains(said, "took over") {
			t.Errorf("it took over from whom nobody named: %s", said)
		}
		var rows []struct{ Kind, Name, Owner, UID, Organization, Refused string }
		if err := json.Unmarshal([]byte(adopt(exitOK, "", "--all", "--from", "mallory", "--dry-run", "--output", "json")), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || rows[0].Kind != "Organization" || rows[0].Owner != "mallory" || rows[0].UID == "" || rows[0].Refused != "" {
			t.Errorf("it shows %+v", rows)
		}
		if owner := h.ownerOf("organization", "acme"); owner != "mallory" || len(h.claims()) != 0 {
			t.Errorf("the owner is %q; claims %+v", owner, h.claims())
		}
	})

	t.Run("what changes meanwhile is left and named", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		args := []string{"adopt", "--data-dir", h.dataDir, "Organization", "acme/acme"}
		said := h.answering(exitFindings, "no", func() {}, args...)
		if !strings.Contains(said, `Take over 1 of installation "mallory"?`) || !strings.Contains(said, "nothing was adopted") || h.ownerOf("organization", "acme") != "mallory" {
			t.Errorf("it says %s", said)
		}
		said = h.answering(exitFindings, "yes", func() { h.given("eve", "organization acme") }, args...)
		if !strings.Contains(said, `Organization acme/acme changed meanwhile: it was of installation "mallory" and is of "eve" now; nothing was done to it`) ||
			h.ownerOf("organization", "acme") != "eve" || len(h.claims()) != 0 {
			t.Errorf("it says %s", said)
		}
		h.given("mallory", "organization acme")
	})

	t.Run("in the pod", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		said := adopt(exitOK, `took over Organization acme/acme from installation "mallory"`, "Organization", "acme/acme", "--yes")
		if !strings.Contains(said, "once it is Ready: gatehouse adopt Organization acme/acme\n") {
			t.Errorf("it does not say what is next: %s", said)
		}
		said = adopt(exitOK, "", "--all", "--from", "mallory's\x1b[2J", "--yes")
		if strings.Count(said, "took over") != 3 {
			t.Errorf("it says %s", said)
		}
		h.within("it is served again", func() bool {
			_, err := h.tryToken()
			return err == nil
		})
		if h.accepted(before) {
			t.Error("what was issued before lives again though nobody adopted it")
		}
		h.within("it is adopted", func() bool {
			return strings.Contains(adopt(exitOK, "", "--all", "--yes"), "adopted ApiApplication acme/ci as ")
		})
		h.within("what was issued before lives again", func() bool { return h.accepted(before) })
		claims := h.claims()
		if len(claims) != 4 || claims[3].Actor != "operator" || claims[3].Outcome != "ok" ||
			claims[3].Reason != `Organization acme/acme was of installation "mallory"` || claims[3].Target == "" {
			t.Errorf("the audit log has %+v", claims)
		}
	})

	t.Run("from elsewhere", func(t *testing.T) {
		h.t = t
		defer func() { h.t = h.whole }()
		h.given("mallory", "role member")
		t.Setenv("KUBECONFIG", h.admin)
		h.run(exitOK, "The store is elsewhere, so its audit log does not say so", "adopt", "--cluster", "--data-dir", nowhere, "--all", "--namespaces", "acme", "--from", "mallory", "--yes")
		h.run(exitOK, "Role acme/member is this installation's already", "adopt", "--cluster", "--data-dir", nowhere, "Role", "acme/member")
		h.run(exitOK, "ApiApplication acme/ci is this installation's already", "adopt", "--cluster", "--data-dir", nowhere, "ApiApplication", "acme/ci")
		if owner := h.ownerOf("role", "member"); owner != keys.Installation {
			t.Errorf("the owner is %q", owner)
		}
	})
}

// asked is standard error of somebody who answers on a terminal, after something happened.
type asked struct {
	bytes.Buffer
	terminal  *os.File
	meanwhile func()
	answer    string
}

func (a *asked) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), "Type yes: ") {
		a.meanwhile()
		if _, err := a.terminal.WriteString(a.answer + "\n"); err != nil { // it is echoed, and read back
			return 0, err
		}
	}
	return a.Buffer.Write(p)
}

// answering runs the command on a terminal.
func (h *home) answering(code int, answer string, meanwhile func(), args ...string) string {
	h.t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		h.t.Skip(err) // no terminals here
	}
	defer func() { _ = terminal.Close() }()
	var out bytes.Buffer
	said := &asked{terminal: terminal, meanwhile: meanwhile, answer: answer}
	if got := Main(args, terminal, &out, said); got != code {
		h.t.Errorf("%v: exit code %d, want %d\n%s%s", args, got, code, out.String(), said.String())
	}
	return out.String() + said.String()
}
