package chart

import (
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
)

// A release with a list of namespaces, on a real API server with RBAC.
func TestAReleaseInNamespacesHasRightsThereAndNowhereElse(t *testing.T) {
	c := newCluster(t)
	for _, name := range []string{"acme", "other"} {
		c.kubectl(t, "", "create", "namespace", name)
	}
	all, err := helms()
	if err != nil {
		t.Fatal(err)
	}
	install := []string{"install", "gatehouse", path, "--namespace", namespace, "--create-namespace"}
	all[0].must(t, c.kubeconfig, append(install, "--set", "issuer="+issuer+",namespaces={acme}")...)
	for _, resource := range [][2]string{{"", "secrets"}, {"auth.gatehouse.dev", "organizations"}, {"auth.gatehouse.dev", "roles"}} {
		for in, may := range map[string]bool{"acme": true, namespace: true, "other": false, "": false} {
			c.decides(t, authorizationv1.ResourceAttributes{Group: resource[0], Resource: resource[1], Verb: "list", Namespace: in}, may)
		}
	}
	c.decides(t, authorizationv1.ResourceAttributes{Resource: "namespaces", Verb: "list"}, false)
	c.decides(t, authorizationv1.ResourceAttributes{Group: "coordination.k8s.io", Resource: "leases", Verb: "create", Namespace: namespace}, true)
	c.decides(t, authorizationv1.ResourceAttributes{Group: "coordination.k8s.io", Resource: "leases", Verb: "create", Namespace: "acme"}, false)

	// Back to the whole cluster: nothing is left behind in the namespaces.
	all[0].must(t, c.kubeconfig, "upgrade", "gatehouse", path, "--namespace", namespace, "--set", "issuer="+issuer)
	c.decides(t, authorizationv1.ResourceAttributes{Resource: "secrets", Verb: "list"}, true)
	if left := c.kubectl(t, "", "get", "roles.rbac.authorization.k8s.io,rolebindings", "-n", "acme", "-o", "name"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

// decides waits until the installed ServiceAccount may do what it should, or may not:
// bindings reach the authorizer a moment later.
func (c *cluster) decides(t *testing.T, what authorizationv1.ResourceAttributes, may bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + namespace + ":gatehouse", ResourceAttributes: &what,
		}}
		if err := c.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		if review.Status.Allowed == may {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it may %s %s in %q: %t", what.Verb, what.Resource, what.Namespace, !may)
		}
	}
}
