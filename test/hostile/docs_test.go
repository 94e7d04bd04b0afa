package hostile

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

var bindings = regexp.MustCompile("(?ms)^```yaml kubernetes\n(.*?)^```$")

// What docs/tenancy.md gives a tenant gives them that, and nothing else.
func TestTheBindingsOfTheDocsGiveWhatTheySay(t *testing.T) {
	w := here
	page, err := os.ReadFile("../../docs/tenancy.md")
	if err != nil {
		t.Fatal(err)
	}
	block := bindings.FindSubmatch(page)
	if block == nil {
		t.Fatal("docs/tenancy.md has no block of bindings")
	}
	if err := w.apply(w.admin, string(block[1])); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		group, verb, resource, namespace string
		may                              bool
	}{
		{"payments-developers", "create", "apiapplications", "payments", true},
		{"payments-developers", "delete", "apiapplications", "payments", true},
		{"payments-developers", "create", "apiapplications", "acme", false},
		{"payments-developers", "create", "roles", "payments", false},
		{"payments-developers", "update", "organizations", "payments", false},
		{"payments-owners", "create", "roles", "payments", true},
		{"payments-owners", "patch", "organizations", "payments", true},
		{"payments-owners", "create", "authproviders", "payments", false},
		{"payments-owners", "create", "roles", "acme", false},
	} {
		eventually(t, fmt.Sprintf("%+v", c), func() error { // bindings reach the authorizer a moment later
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "somebody", Groups: []string{c.group},
				ResourceAttributes: &authorizationv1.ResourceAttributes{Group: v1alpha1.GroupName, Verb: c.verb, Resource: c.resource, Namespace: c.namespace},
			}}
			if err := w.admin.Create(context.Background(), review); err != nil {
				return err
			}
			if review.Status.Allowed != c.may {
				return fmt.Errorf("allowed: %t", review.Status.Allowed)
			}
			return nil
		})
	}
	for _, slug := range []string{"payments", "billing", "invoices"} {
		if err := w.apply(w.admin, organization(slug, "payments", slug)); err != nil && !apierrors.IsForbidden(err) {
			t.Fatal(err)
		}
		w.becomes(t, "Organization payments/"+slug, "True")
	}
	if err := w.apply(w.admin, organization("other", "payments", "other")); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization payments/other", "SlugNotGranted")
}
