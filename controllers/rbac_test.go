package controllers

import (
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

func TestAnEditorDeclaresApplicationsAndNothingElse(t *testing.T) {
	b := newBench(t, kube)
	b.namespace("edited")
	for _, role := range []string{"gatehouse-view", "gatehouse-edit"} {
		u := documents(fmt.Appendf(nil, `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: %[1]s, namespace: edited},
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %[1]s}, subjects: [{kind: User, name: editor}]}`, role))[0]
		if err := b.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for resource, may := range map[string]bool{"apiapplications": true, "organizations": false, "roles": false, "authproviders": false, "apiapplications/status": false} {
		base, sub, _ := strings.Cut(resource, "/")
		at := authorizationv1.ResourceAttributes{Group: v1alpha1.GroupName, Resource: base, Subresource: sub, Verb: "update", Namespace: "edited"}
		b.eventually("decided", func() error { // bindings reach the authorizer a moment later
			if got := b.allowed(authorizationv1.SubjectAccessReviewSpec{User: "editor"}, at); got != may {
				return fmt.Errorf("may update %s: %t", resource, got)
			}
			return nil
		})
	}
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
