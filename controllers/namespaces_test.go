package controllers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// scoped is the system namespace of an installation without rights in the cluster.
const scoped = "scoped-system"

// inNamespaces are the options of an installation as config/namespaced makes it: the
// ServiceAccount has a Role in its own namespace and in those that grant gives.
func (b *bench) inNamespaces(names ...string) Options {
	b.t.Helper()
	b.namespace(scoped)
	b.apply("role.yaml", func(u *unstructured.Unstructured) bool { return u.GetKind() == "Role" }, scoped)
	b.apply("role_binding.yaml", func(u *unstructured.Unstructured) bool { return u.GetKind() == "RoleBinding" }, scoped)
	b.grant(scoped)
	user, err := b.kube.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + scoped + ":gatehouse",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + scoped},
	}, &rest.Config{QPS: -1})
	if err != nil {
		b.t.Fatal(err)
	}
	o := b.options()
	o.Config, o.SystemNamespace, o.Namespaces = user.Config(), scoped, names
	return o
}

// grant gives the rights of config/rbac/namespace in a namespace.
func (b *bench) grant(namespace string) {
	b.t.Helper()
	all := func(*unstructured.Unstructured) bool { return true }
	b.namespace(namespace)
	b.apply("namespace/role.yaml", all, namespace)
	b.apply("namespace/role_binding.yaml", all, namespace)
	b.t.Cleanup(func() { b.revoke(namespace) })
}

func (b *bench) revoke(namespace string) {
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "gatehouse-declarations"}}
	if err := b.Delete(context.Background(), binding); err != nil && !apierrors.IsNotFound(err) {
		b.t.Error(err)
	}
}

// apply creates what is in a file of config/rbac in another namespace than there.
func (b *bench) apply(file string, want func(*unstructured.Unstructured) bool, namespace string) {
	b.t.Helper()
	content, err := os.ReadFile("../config/rbac/" + file)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, u := range documents([]byte(strings.ReplaceAll(string(content), "namespace: "+systemNamespace, "namespace: "+scoped))) {
		if !want(u) {
			continue
		}
		u.SetNamespace(namespace)
		if err := b.Create(b.t.Context(), u); err != nil && !apierrors.IsAlreadyExists(err) {
			b.t.Fatal(err)
		}
	}
}

// team declares an Organization with an application in a namespace.
func (b *bench) team(name string) {
	b.t.Helper()
	b.create(fmt.Sprintf(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: %[1]s, namespace: %[1]s}
spec: {slug: %[1]s}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: %[1]s}
spec: {organizationRef: {name: %[1]s}, type: Device, scopes: ["org:read"]}
`, name))
}

func (b *bench) serves(clientID string) error {
	if _, a := b.snapshot().Application(clientID); a == nil {
		return fmt.Errorf("%s is not served", clientID)
	}
	return nil
}

func TestANamespaceThatCannotBeReadIsLeftOutAndJoinsLater(t *testing.T) {
	b := newBench(t, kube)
	b.grant("team-a")
	for _, name := range []string{"team-a", "team-b"} {
		b.team(name)
	}
	b.team("team-x") // not on the list
	registry := prometheus.NewRegistry()
	o := b.inNamespaces("team-a", "team-b", "team-c")
	o.Metrics = registry
	c, _ := b.start(o)
	b.eventually("published", c.Ready)
	b.expect(kindApplication, "team-a", "cli", "True")
	said := strings.Join(c.Remarks(), "\n")
	for _, name := range []string{"team-b", "team-c"} {
		if !strings.Contains(said, "namespace "+name+" is left out") || !strings.Contains(said, "bind the Role of config/rbac/namespace") {
			t.Errorf("of %s it says %q", name, said)
		}
	}
	if unread := b.snapshot().Unread; !slices.Equal(unread, []string{"team-b", "team-c"}) {
		t.Errorf("of %v nothing is known", unread)
	}
	for name, want := range map[string]float64{"team-a": 1, "team-b": 0, "team-c": 0, scoped: 1} {
		if got := gauge(t, registry, "gatehouse_namespace_readable", name); got != want {
			t.Errorf("gatehouse_namespace_readable of %s is %v", name, got)
		}
	}
	for _, name := range []string{"team-b", "team-x"} {
		if u := b.get(kindApplication, name, "cli"); b.serves(name+"."+name+".cli") == nil || observed(u) != -1 {
			t.Errorf("%s is served, or its status written: %v", name, u.Object["status"])
		}
	}

	b.grant("team-b")
	b.expect(kindApplication, "team-b", "cli", "True")
	b.grant("team-c")
	b.team("team-c")
	b.expect(kindApplication, "team-c", "cli", "True")
	if said := c.Remarks(); len(said) > 0 || gauge(t, registry, "gatehouse_namespace_readable", "team-c") != 1 {
		t.Errorf("it still says %q", said)
	}
	if u := b.get(kindApplication, "team-x", "cli"); observed(u) != -1 {
		t.Errorf("a namespace that is not on the list: %v", u.Object["status"])
	}
}

// Half of a namespace could be a Role without the subject that ends, or an application
// without the Secret that proves it.
func TestANamespaceOfWhichPartsCannotBeReadIsLeftOutAsAWhole(t *testing.T) {
	b := newBench(t, kube)
	b.team("halved")
	b.create(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: half, namespace: halved}
rules:
- {apiGroups: [auth.gatehouse.dev], resources: [organizations, apiapplications, roles], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: half, namespace: halved}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: half}
subjects: [{kind: ServiceAccount, name: gatehouse, namespace: scoped-system}]
`)
	c, _ := b.start(b.inNamespaces("halved"))
	b.eventually("published", c.Ready)
	b.eventually("said", func() error {
		if said := strings.Join(c.Remarks(), "\n"); !strings.Contains(said, "refused: authproviders, secrets;") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	if len(b.snapshot().Objects) != 0 {
		t.Errorf("it judged %v", b.snapshot().Objects)
	}
	b.grant("halved")
	b.expect(kindApplication, "halved", "cli", "True")
}

// What cannot be read in this scope grants nothing: labels and annotations of Namespaces.
func TestWithoutTheClusterANamespaceIsKnownByItsNameAlone(t *testing.T) {
	b := newBench(t, kube)
	for _, name := range []string{"named", "member"} {
		b.grant(name)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"tier":"one"},"annotations":{"auth.gatehouse.dev/slugs":"granted"}}}`))
		if err := b.Patch(t.Context(), ns, patch); err != nil {
			t.Fatal(err)
		}
	}
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: named, namespace: named}
spec:
  slug: named
  allowedNamespaces:
    apiApplications: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: member}}}
    roles: {from: Selector, selector: {matchLabels: {tier: one}}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: member}
spec: {organizationRef: {name: named, namespace: named}, type: Device, scopes: ["org:read"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: reader, namespace: member}
spec: {organizationRef: {name: named, namespace: named}, rules: [{scopes: ["org:read"]}]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: granted, namespace: named}
spec: {slug: granted}
`)
	b.start(b.inNamespaces("named", "member"))
	b.expect(kindOrganization, "named", "named", "True")
	b.expect(kindApplication, "member", "cli", "True")
	b.expect(kindRole, "member", "reader", "NotAdmitted")
	b.expect(kindOrganization, "named", "granted", "SlugNotGranted")
}

// cutter ends open watches on demand, as the API server does every few minutes.
type cutter struct {
	mu   sync.Mutex
	open []context.CancelFunc
}

func (c *cutter) wrap(o *Options) {
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return cutting{next, c} })
}

type cutting struct {
	next http.RoundTripper
	by   *cutter
}

func (c cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.RawQuery, "watch=true") {
		return c.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancel(r.Context())
	c.by.mu.Lock()
	c.by.open = append(c.by.open, cancel)
	c.by.mu.Unlock()
	return c.next.RoundTrip(r.WithContext(ctx))
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.open {
		cancel()
	}
	c.open = nil
}

// Rights that are taken away look like an outage, and an outage is not absence.
func TestANamespaceThatCanNoLongerBeReadStaysInService(t *testing.T) {
	b := newBench(t, kube)
	b.grant("revoked")
	b.grant("kept")
	b.team("revoked")
	b.team("kept")
	o := b.inNamespaces("revoked", "kept")
	var watches cutter
	watches.wrap(&o)
	registry := prometheus.NewRegistry()
	o.Metrics = registry
	c, _ := b.start(o)
	b.expect(kindApplication, "revoked", "cli", "True")
	b.expect(kindApplication, "kept", "cli", "True")

	b.revoke("revoked")
	b.eventually("lost", func() error {
		watches.cut()
		if said := strings.Join(c.Remarks(), "\n"); !strings.Contains(said, "namespace revoked can no longer be read, and what it declared last stays in service") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	if got := gauge(t, registry, "gatehouse_namespace_readable", "revoked"); got != 0 || c.Ready() != nil {
		t.Errorf("gatehouse_namespace_readable is %v, Ready %v", got, c.Ready())
	}
	gone := b.get(kindApplication, "revoked", "cli")
	if err := b.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	b.change(kindApplication, "kept", "cli", func(spec map[string]any) { spec["displayName"] = "Kept" })
	b.expect(kindApplication, "kept", "cli", "True")
	if err := errors.Join(b.serves("revoked.revoked.cli"), b.serves("kept.kept.cli")); err != nil {
		t.Error(err)
	}
	b.grant("revoked")
	b.eventually("gone by a list that succeeds", func() error {
		if b.serves("revoked.revoked.cli") == nil {
			return errors.New("still served")
		}
		return nil
	})
	b.eventually("quiet", func() error {
		if said := c.Remarks(); len(said) > 0 {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
}

// An API server that does not answer for one of them is waited for: that a namespace cannot
// be read is said by it, not by its silence.
func TestTheFirstPublishingWaitsUntilEveryNamespaceIsReadOrRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Namespaces: []string{"refused", "silent"}, Log: testLog()}
		n := newNamespaces(o, newWorld(o), newClusterMetrics(nil))
		decided := make(chan error)
		go func() { decided <- n.WaitForSync(t.Context()) }()
		waits := func(after string) {
			t.Helper()
			synctest.Wait()
			select {
			case <-decided:
				t.Fatalf("%s it does not wait", after)
			default:
			}
		}
		waits("at first")
		n.answered("refused", "roles", http.StatusForbidden)
		waits("after one refusal")
		n.answered("silent", "roles", http.StatusOK)
		n.answered("silent", "secrets", http.StatusServiceUnavailable)
		n.answered("silent", "organizations", http.StatusUnauthorized)
		waits("while parts of it are not answered")
		n.answered("silent", "secrets", http.StatusForbidden)
		if err := <-decided; err != nil {
			t.Error(err)
		}
	})
}
