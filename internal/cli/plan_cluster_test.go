package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

const planner = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: planner}
rules:
- {apiGroups: [auth.gatehouse.dev], resources: [organizations, apiapplications, roles, authproviders], verbs: [list]}
- {apiGroups: [""], resources: [namespaces], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: planner}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: planner}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: planner}]
`

// late claims a client ID that an older application has.
const late = `apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: aaa, namespace: acme}
spec: {organizationRef: {name: acme}, clientID: acme.cli, type: Device, scopes: ["org:read"]}
`

// The plan against a real cluster is made with the right to list and nothing else; what it
// says before files are applied is so, and afterwards there is nothing to say.
func TestPlanAgainstACluster(t *testing.T) {
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
	admin := kubeconfig(t, kube, "admin", "system:masters")
	t.Setenv("KUBECONFIG", kubeconfig(t, kube, "planner"))
	samples := "../../config/samples"
	dir := t.TempDir()
	content, err := os.ReadFile(samples + "/20-acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	wider := write(t, dir, "wider.yaml", strings.Replace(string(content), "- scopes: [org:read, project:read]\n", "- scopes: [org:read, project:admin]\n", 1))

	expectPlan(t, 1, "list Organizations: organizations.auth.gatehouse.dev is forbidden", samples)
	kubectl(t, admin, "apply", "-f", write(t, dir, "planner.yaml", planner))
	kubectl(t, admin, "apply", "-f", "../../config/default/namespace.yaml", "-f", samples)
	expectPlan(t, 0, "Nothing changes.", samples)
	expectPlan(t, 0, "Nothing changes.", samples+"/30-globex.yaml")
	expectPlan(t, 1, "Organization acme/acme cannot be applied: spec.deletionPolicy: protects it, and 3 ApiApplication(s), 3 Role(s) and 0 AuthProvider(s) depend on it", "--prune", samples+"/30-globex.yaml")
	expectPlan(t, 1, `ApiApplication acme/aaa is not served: spec.clientID: "acme.cli" belongs to the older ApiApplication acme/cli`, write(t, dir, "late.yaml", late))
	expectPlan(t, 3, "Role acme/developer\n  + scopes: gains project:admin", wider)
	kubectl(t, admin, "apply", "-f", wider)
	expectPlan(t, 0, "Nothing changes.", wider)
	expectPlan(t, 2, "Role acme/developer\n  - scopes: loses project:admin", samples)
}

func expectPlan(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	if got := Main(append([]string{"plan"}, args...), nil, &out, &out); got != code || !strings.Contains(out.String(), says) {
		t.Errorf("plan %v: exit code %d, want %d and %q in\n%s", args, got, code, says, out.String())
	}
}

func kubeconfig(t *testing.T, kube *localkube.Cluster, name string, groups ...string) string {
	t.Helper()
	user, err := kube.AddUser(envtest.User{Name: name, Groups: groups}, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, t.TempDir(), "kubeconfig", string(content))
}

func kubectl(t *testing.T, kubeconfig string, args ...string) {
	t.Helper()
	binary, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"--kubeconfig", kubeconfig}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
