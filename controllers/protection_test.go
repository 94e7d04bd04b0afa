package controllers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// guarded is a cluster of its own with the admission policy in force: there is no waiting
// until it is out of force again.
func guarded(t *testing.T) *bench {
	t.Helper()
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	b := newGuest(t, clusterOfItsOwn(t, definitions))
	policy, err := os.ReadFile("../config/admission/protect_organizations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range documents(policy) {
		if err := b.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	canary := b.organization("canary", "", &v1alpha1.OrganizationStatus{Roles: 1})
	b.eventually("the policy is in force", func() error {
		if err := b.Delete(t.Context(), canary, client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("deleting: %w", err)
		}
		return nil
	})
	return b
}

// organization makes one in a namespace of its own, with a status as Gatehouse writes it;
// nil: none was written yet.
func (b *bench) organization(name, policy string, status *v1alpha1.OrganizationStatus) *v1alpha1.Organization {
	b.t.Helper()
	b.namespace(name)
	o := &v1alpha1.Organization{
		ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name},
		Spec:       v1alpha1.OrganizationSpec{Slug: name, DeletionPolicy: policy},
	}
	if err := b.Create(b.t.Context(), o); err != nil {
		b.t.Fatal(err)
	}
	if status != nil {
		o.Status = *status
		if err := b.SubResource("status").Update(b.t.Context(), o); err != nil {
			b.t.Fatal(err)
		}
	}
	return o
}

func TestAnOrganizationWithDependentsIsProtected(t *testing.T) {
	b := guarded(t)
	t.Run("each way to delete", func(t *testing.T) { newGuest(t, b.kube).refusesEachWay() })
	t.Run("until it ends", func(t *testing.T) { newGuest(t, b.kube).protectsUntil() })
	t.Run("but not its definition", func(t *testing.T) { newGuest(t, b.kube).removesDefinition() })
}

func (b *bench) refusesEachWay() {
	dependents := &v1alpha1.OrganizationStatus{Applications: 2, Roles: 1, Providers: 1}
	for name, c := range map[string]struct {
		policy  string
		status  *v1alpha1.OrganizationStatus
		refused bool
	}{
		"by-default":        {"", dependents, true},
		"by-its-word":       {v1alpha1.DeletionProtect, dependents, true},
		"by-another-word":   {"Orphan", dependents, true},
		"applications-only": {"", &v1alpha1.OrganizationStatus{Applications: 2}, true},
		"given-free":        {v1alpha1.DeletionDelete, dependents, false},
		"providers-only":    {"", &v1alpha1.OrganizationStatus{Providers: 1}, true}, // its own, never everybody's
		"without-any":       {"", &v1alpha1.OrganizationStatus{}, false},
		"never-judged":      {"", nil, false},
	} {
		b.t.Run(name, func(t *testing.T) {
			b := newGuest(t, b.kube)
			o := b.organization(name, c.policy, c.status)
			background, orphan, now := metav1.DeletePropagationBackground, metav1.DeletePropagationOrphan, int64(0)
			for how, options := range map[string][]client.DeleteOption{
				"a dry run":   {client.DryRunAll},
				"by force":    {client.DryRunAll, client.GracePeriodSeconds(now)},
				"background":  {client.DryRunAll, client.PropagationPolicy(background)},
				"as orphaner": {client.DryRunAll, client.PropagationPolicy(orphan)},
				"for good":    nil,
			} {
				if how == "for good" && !c.refused {
					continue // below
				}
				protected(t, how, b.Delete(t.Context(), o, options...), c.refused, c.status)
			}
			protected(t, "a collection", b.DeleteAllOf(t.Context(), &v1alpha1.Organization{}, client.InNamespace(name)), c.refused, c.status)
			err := b.Get(t.Context(), client.ObjectKeyFromObject(o), o)
			if there := err == nil; there != c.refused {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// protected looks for the refusal, with its cause and cure; or for none.
func protected(t *testing.T, how string, err error, refused bool, status *v1alpha1.OrganizationStatus) {
	t.Helper()
	if !refused {
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
		return
	}
	count := fmt.Sprintf("%d ApiApplication(s), %d Role(s) and %d AuthProvider(s) depend on it", status.Applications, status.Roles, status.Providers)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), count) || !strings.Contains(err.Error(), "set spec.deletionPolicy: Delete") {
		t.Errorf("%s: %v", how, err)
	}
}

// protectsUntil: protection ends with the namespace, by the word, or with the dependents.
func (b *bench) protectsUntil() {
	t := b.t
	o := b.organization("acme", "", &v1alpha1.OrganizationStatus{Applications: 1})

	// Who may edit an Organization, but not its status, does not get round it by that.
	o.Status.Applications = 0
	if err := b.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	protected(t, "after an edit of the status with the spec", b.Delete(t.Context(), o, client.DryRunAll), true, &v1alpha1.OrganizationStatus{Applications: 1})

	kubectl, err := localkube.Kubectl()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, b.kube.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"organizations", "--all"}, {"organization", "acme"}, {"organization", "acme", "--force", "--grace-period=0"}} {
		cmd := exec.CommandContext(t.Context(), kubectl, append([]string{"delete", "--kubeconfig", config, "-n", "acme", "--wait=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "1 ApiApplication(s), 0 Role(s) and 0 AuthProvider(s) depend on it") {
			t.Errorf("kubectl delete %v: %v\n%s", args, err, out)
		}
	}

	// A namespace that ends takes it along, as the namespace controller asks for it.
	if err := b.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}); err != nil {
		t.Fatal(err)
	}
	b.eventually("gone with its namespace", func() error {
		return b.DeleteAllOf(t.Context(), &v1alpha1.Organization{}, client.InNamespace("acme"))
	})
	if err := b.Get(t.Context(), client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
		t.Errorf("in the namespace that ended: %v", err)
	}

	free := b.organization("globex", "", &v1alpha1.OrganizationStatus{Applications: 1})
	free.Spec.DeletionPolicy = v1alpha1.DeletionDelete
	if err := errors.Join(b.Update(t.Context(), free), b.Delete(t.Context(), free)); err != nil {
		t.Errorf("with the word: %v", err)
	}

	// With a controller that judges, what depends counts as it comes and goes.
	b.serve()
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: initech, namespace: initech}
spec: {slug: initech}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: initech}
spec: {organizationRef: {name: initech}, type: Device, scopes: ["org:read"]}
`)
	b.expect(kindApplication, "initech", "cli", "True")
	initech := &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Namespace: "initech", Name: "initech"}}
	b.eventually("protected", func() error {
		if err := b.Delete(t.Context(), initech, client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("deleting: %w", err)
		}
		return nil
	})
	if err := b.Delete(t.Context(), &v1alpha1.ApiApplication{ObjectMeta: metav1.ObjectMeta{Namespace: "initech", Name: "cli"}}); err != nil {
		t.Fatal(err)
	}
	b.eventually("free of dependents", func() error { return b.Delete(t.Context(), initech) })
}

// removesDefinition: the definitions go with all that is declared, nothing is in the way.
func (b *bench) removesDefinition() {
	t := b.t
	b.organization("umbrella", "", &v1alpha1.OrganizationStatus{Applications: 1})
	definition := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "organizations." + v1alpha1.GroupName}}
	if err := b.Delete(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	b.eventually("without the definition", func() error {
		err := b.Get(context.Background(), client.ObjectKeyFromObject(definition), definition)
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("conditions %v: %w", definition.Status.Conditions, err)
	})
}
