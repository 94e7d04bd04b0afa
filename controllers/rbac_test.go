package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

func TestWhatMayNotBeReadIsNamed(t *testing.T) {
	b := newBench(t, kube)
	user, err := kube.AddUser(envtest.User{Name: "nobody"}, &rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	o := b.options()
	o.Config = user.Config()
	c, _ := b.start(o)
	b.eventually("named", func() error {
		err := c.Ready()
		for _, kind := range []string{"organizations", "secrets", "namespaces"} {
			if err == nil || !strings.Contains(err.Error(), kind+" is forbidden") && !strings.Contains(err.Error(), kind+".auth.gatehouse.dev is forbidden") {
				return fmt.Errorf("Ready does not name %s: %w", kind, err)
			}
		}
		return nil
	})
	if b.snapshot() != nil {
		t.Error("published although nothing could be read: an object that is not seen is not gone")
	}
}

// The service account may do what it does in the other tests, and nothing of this.
func TestTheServiceAccountMayNotDoMore(t *testing.T) {
	b := newBench(t, kube)
	account := authorizationv1.SubjectAccessReviewSpec{User: "system:serviceaccount:" + systemNamespace + ":gatehouse"}
	for _, may := range []authorizationv1.ResourceAttributes{
		{Group: v1alpha1.GroupName, Resource: "apiapplications", Verb: "create", Namespace: "acme"},
		{Group: v1alpha1.GroupName, Resource: "apiapplications", Verb: "update", Namespace: "acme"},
		{Group: v1alpha1.GroupName, Resource: "apiapplications", Verb: "patch", Namespace: "acme"},
		{Group: v1alpha1.GroupName, Resource: "roles", Verb: "delete", Namespace: "acme"},
		{Resource: "secrets", Verb: "get", Namespace: "acme"},
		{Resource: "secrets", Verb: "patch", Namespace: "acme"},
		{Resource: "secrets", Verb: "deletecollection", Namespace: "acme"},
		{Group: "events.k8s.io", Resource: "events", Verb: "list", Namespace: "acme"},
		{Resource: "namespaces", Verb: "update"},
		{Group: "coordination.k8s.io", Resource: "leases", Verb: "update", Namespace: "acme"},
	} {
		if b.allowed(account, may) {
			t.Errorf("it may %s %s in %q", may.Verb, may.Resource, may.Namespace)
		}
	}
}

// What gatehouse-view and gatehouse-edit add to view, edit and admin, each by itself.
func TestAnEditorDeclaresApplicationsAndAViewerReads(t *testing.T) {
	b := newBench(t, kube)
	b.namespace("edited")
	for user, role := range map[string]string{"viewer": "gatehouse-view", "editor": "gatehouse-edit"} {
		u := documents(fmt.Appendf(nil, `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: %[2]s, namespace: edited},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[2]s}, subjects: [{kind: User, name: %[1]s}]}`, user, role))[0]
		if err := b.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Delete(context.Background(), u) })
	}
	kinds := []string{"organizations", "apiapplications", "roles", "authproviders"}
	read, write := []string{"get", "list", "watch"}, []string{"create", "update", "patch", "delete", "deletecollection"}
	for _, kind := range kinds {
		for _, verb := range read {
			b.decides("viewer", verb, v1alpha1.GroupName, kind, true)
		}
		for _, verb := range write {
			b.decides("viewer", verb, v1alpha1.GroupName, kind, false)
			b.decides("editor", verb, v1alpha1.GroupName, kind, kind == "apiapplications")
		}
		for _, user := range []string{"viewer", "editor"} { // who owns it is in the status
			b.decides(user, "patch", v1alpha1.GroupName, kind+"/status", false)
			b.decides(user, "update", v1alpha1.GroupName, kind+"/status", false)
		}
	}
	for _, user := range []string{"viewer", "editor"} {
		for _, verb := range append(read, write...) {
			b.decides(user, verb, "", "secrets", false)
		}
	}
}

// decides waits until who may do what in the namespace is as it should be: bindings reach
// the authorizer a moment later.
func (b *bench) decides(user, verb, group, resource string, may bool) {
	b.t.Helper()
	base, sub, _ := strings.Cut(resource, "/")
	at := authorizationv1.ResourceAttributes{Group: group, Resource: base, Subresource: sub, Verb: verb, Namespace: "edited"}
	b.eventually("decided", func() error {
		if got := b.allowed(authorizationv1.SubjectAccessReviewSpec{User: user}, at); got != may {
			return fmt.Errorf("%s may %s %s: %t", user, verb, resource, got)
		}
		return nil
	})
}

func (b *bench) allowed(who authorizationv1.SubjectAccessReviewSpec, what authorizationv1.ResourceAttributes) bool {
	b.t.Helper()
	who.ResourceAttributes = &what
	review := &authorizationv1.SubjectAccessReview{Spec: who}
	if err := b.Create(b.t.Context(), review); err != nil {
		b.t.Fatal(err)
	}
	return review.Status.Allowed
}
