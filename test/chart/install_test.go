package chart

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// cluster is a real Kubernetes API without nodes: pods are admitted and never run. The chart
// is installed in it as its users do.
type cluster struct {
	*localkube.Cluster
	client.Client
	kubeconfig string
}

func newCluster(t *testing.T, options ...localkube.Option) *cluster {
	t.Helper()
	kube, err := localkube.Start("", nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := &cluster{Cluster: kube, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	if err := os.WriteFile(c.kubeconfig, kube.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Client, err = client.New(kube.Config, client.Options{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// newManagedCluster makes pods of Deployments, and finishes deletions.
func newManagedCluster(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, localkube.Accounts)
	m, err := c.Manage(t.TempDir(), append(slices.Clone(localkube.Deleters), localkube.Runners...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.Log())
		}
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *cluster) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	return kubectl(t, c.kubeconfig, stdin, args...)
}

func (c *cluster) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	d := &appsv1.Deployment{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "gatehouse"}, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// patience of kubectl: a namespace takes five seconds at the least, on a slow machine more.
const patience = "--timeout=2m"

// uids of what a release must not take away.
func (c *cluster) uids(t *testing.T) string {
	t.Helper()
	return c.kubectl(t, "", "get", "-A", "crd,gatehouse,pvc", "-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\n"}{end}`)
}

// manifest is the part of the notes that is piped into kubectl.
var manifest = regexp.MustCompile(`(?s)apply -f - <<'EOF'\n(.*?)\n *EOF`)

// namespaces of a tenant and of the installation, as config/default has it.
const namespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: acme}
---
apiVersion: v1
kind: Namespace
metadata: {name: gatehouse-system, labels: {pod-security.kubernetes.io/enforce: restricted}}
`

// One cluster for both: each finds what the other left behind, as after a change of tools.
func TestALifeOfARelease(t *testing.T) {
	c := newManagedCluster(t)
	c.kubectl(t, namespaces, "create", "-f", "-")
	each(t, func(t *testing.T, h helm) {
		install := []string{"install", "gatehouse", path, "--namespace", namespace, "--set", "issuer=" + issuer}
		notes := h.must(t, c.kubeconfig, install...)
		c.served(t)
		declare(t, c, notes)
		before := c.uids(t)
		c.podAdmitted(t, "--log-level=info")

		h.must(t, c.kubeconfig, "upgrade", "gatehouse", path, "--namespace", namespace, "--reuse-values", "--set", "logLevel=debug")
		c.podAdmitted(t, "--log-level=debug")
		h.uninstall(t, c)
		c.kubectl(t, "", "wait", "--for=delete", patience, "-A", "pods,replicasets", "-l", "app.kubernetes.io/name=gatehouse")
		if left := c.kubectl(t, "", "get", "-A", "-l", "app.kubernetes.io/name=gatehouse", "-o", "name",
			"deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
		if after := c.uids(t); after != before {
			t.Errorf("what was declared:\n%s\nafter the release is gone:\n%s", before, after)
		}
		h.must(t, c.kubeconfig, install...)
		if after := c.uids(t); after != before {
			t.Errorf("what was declared:\n%s\nafter it is installed again:\n%s", before, after)
		}

		// Without the server there is nobody who could answer a finalizer, and nobody has to:
		// neither when what is declared is deleted,
		h.uninstall(t, c)
		c.kubectl(t, "", "delete", patience, "gatehouse", "--all", "-A")
		c.kubectl(t, "", "delete", patience, "namespace", "acme", namespace)
		// nor when the definitions go with the release and take it with them.
		c.kubectl(t, namespaces, "create", "-f", "-")
		declare(t, c, h.must(t, c.kubeconfig, install...))
		h.must(t, c.kubeconfig, "upgrade", "gatehouse", path, "--namespace", namespace, "--reuse-values", "--set", "crds.keep=false")
		h.uninstall(t, c)
		c.kubectl(t, "", "wait", "--for=delete", patience, "crd", "-l", "!nothing")
		if left := c.kubectl(t, "", "get", "crd", "-o", "name"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	})
}

// podAdmitted waits until the Deployment has a Pod with the argument: the API server let it
// in, with its service account's token, in a namespace that admits only restricted ones.
func (c *cluster) podAdmitted(t *testing.T, argument string) {
	t.Helper()
	var pods corev1.PodList
	var events corev1.EventList
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if err := errors.Join(c.List(t.Context(), &pods, client.InNamespace(namespace)), c.List(t.Context(), &events, client.InNamespace(namespace))); err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(pods.Items, func(p corev1.Pod) bool { return slices.Contains(p.Spec.Containers[0].Args, argument) }); i >= 0 {
			pod := pods.Items[i]
			if pod.Spec.ServiceAccountName != "gatehouse" || !slices.ContainsFunc(pod.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
				return m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount"
			}) {
				t.Errorf("the pod has no token of its service account: %+v", pod.Spec)
			}
			weaker := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "weaker-", Namespace: namespace}, Spec: c.deployment(t).Spec.Template.Spec}
			weaker.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
			if err := c.Create(t.Context(), weaker, client.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "violates PodSecurity") {
				t.Errorf("a weaker pod is not refused: %v", err)
			}
			return
		}
		if time.Now().After(end) {
			for _, e := range events.Items {
				t.Logf("%s %s: %s", e.InvolvedObject.Kind, e.Reason, e.Message)
			}
			t.Fatalf("no pod with %s", argument)
		}
	}
}

func TestTheChartTakesOverWhatWasAppliedByHand(t *testing.T) {
	each(t, func(t *testing.T, h helm) {
		c := newCluster(t)
		c.kubectl(t, "", "apply", "-k", root+"/config/default")
		c.served(t)
		before := c.uids(t) + string(c.deployment(t).UID)
		h.must(t, c.kubeconfig, "install", "gatehouse", path, "--namespace", namespace, "--take-ownership", "--set", "issuer="+issuer)
		if after := c.uids(t) + string(c.deployment(t).UID); after != before {
			t.Errorf("applied:\n%s\ntaken over:\n%s", before, after)
		}
	})
}

// served waits until the definitions can be used, as whoever waits for the pod has done.
func (c *cluster) served(t *testing.T) {
	t.Helper()
	c.kubectl(t, "", "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	binary, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, err := output(exec.CommandContext(t.Context(), binary, "get", "gatehouse", "-A", "--kubeconfig", c.kubeconfig))
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func (h helm) uninstall(t *testing.T, c *cluster) {
	t.Helper()
	start := time.Now()
	h.must(t, c.kubeconfig, "uninstall", "gatehouse", "--namespace", namespace, "--timeout", "60s")
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("uninstalling took %v", took)
	}
}

// declare applies what the notes show.
func declare(t *testing.T, c *cluster, notes string) {
	t.Helper()
	found := manifest.FindStringSubmatch(notes)
	if found == nil || !strings.Contains(notes, "kubectl exec -it -n gatehouse-system deploy/gatehouse -- gatehouse user create") {
		t.Fatalf("the notes do not say what is next:\n%s", notes)
	}
	var lines []string
	for line := range strings.Lines(found[1]) {
		lines = append(lines, strings.TrimPrefix(line, "    "))
	}
	c.kubectl(t, strings.Join(lines, ""), "apply", "-f", "-")
	if names := c.kubectl(t, "", "get", "gatehouse", "-A", "-o", "name"); strings.Count(names, "\n") != 4 {
		t.Errorf("the notes declare\n%s", names)
	}
}

type warnings []string

// HandleWarningHeader keeps what the API server warns of.
func (w *warnings) HandleWarningHeader(_ int, _ string, text string) { *w = append(*w, text) }

func TestThePodFitsTheRestrictedStandard(t *testing.T) {
	c := newCluster(t)
	all, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	c.kubectl(t, "", "create", "namespace", namespace)
	c.kubectl(t, "", "label", "namespace", namespace, "pod-security.kubernetes.io/warn=restricted")
	all[0].must(t, c.kubeconfig, "install", "gatehouse", path, "--namespace", namespace, "--set", "issuer="+issuer+",tls.secretName=pair")
	template := c.deployment(t).Spec.Template
	if got := c.warningsOf(t, template); len(got) > 0 {
		t.Errorf("warned of %q", got)
	}
	template.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil
	if got := c.warningsOf(t, template); len(got) != 1 || !strings.Contains(got[0], "allowPrivilegeEscalation") {
		t.Errorf("the API server warns of nothing: %q", got)
	}
}

// warningsOf are what the API server says about a pod of the template.
func (c *cluster) warningsOf(t *testing.T, template corev1.PodTemplateSpec) warnings {
	t.Helper()
	var said warnings
	config := rest.CopyConfig(c.Config)
	config.WarningHandler = &said
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "gatehouse-", Namespace: namespace, Labels: template.Labels}, Spec: template.Spec}
	if err := admin.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Fatal(fmt.Errorf("the API server refuses the pod: %w", err))
	}
	return said
}
