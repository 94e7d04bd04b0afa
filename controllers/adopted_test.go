package controllers

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

const remade = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
`

func TestAnAdoptedObjectIsServedUnderItsOldID(t *testing.T) {
	b := newBench(t, kube)
	c := b.serve()
	b.create(remade)
	b.expect(kindApplication, "acme", "ci", "True")
	organization, application := b.get(kindOrganization, "acme", "acme"), b.get(kindApplication, "acme", "ci")
	first := string(organization.GetUID())
	b.eventually("shows its ID", func() error { return b.shows(first) })
	for _, u := range []*unstructured.Unstructured{application, organization} {
		if err := b.Delete(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually("gone", func() error {
		if o := b.snapshot().OrganizationBySlug("acme"); o != nil {
			return fmt.Errorf("still %s", o.ID)
		}
		return nil
	})
	b.create(remade)
	b.expect(kindApplication, "acme", "ci", "True")
	second := b.get(kindOrganization, "acme", "acme").GetUID()
	b.eventually("shows an ID of its own", func() error { return b.shows(string(second)) })

	c.Adopt(map[string]string{string(second): first, string(b.get(kindApplication, "acme", "ci").GetUID()): string(application.GetUID())})
	b.eventually("shows the first ID", func() error { return b.shows(first) })
	b.eventually("served under the first ID", func() error {
		o := b.snapshot().Organization(first)
		if o == nil || o.Application(string(application.GetUID())) == nil {
			return fmt.Errorf("serving %v", o)
		}
		return nil
	})
	b.expect(kindApplication, "acme", "ci", "True")
}

// shows is nil if that is the ID in the status of acme.
func (b *bench) shows(id string) error {
	var o v1alpha1.Organization
	if err := b.Get(b.t.Context(), client.ObjectKey{Namespace: "acme", Name: "acme"}, &o); err != nil {
		return err
	}
	if o.Status.ID != id {
		return fmt.Errorf("status.id is %q, want %q", o.Status.ID, id)
	}
	return nil
}
