package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

const ownSecret = "own-own-own-own-own-own-own-own-own-own"

// ownMachine gives mallory an organization with a machine that gets tokens in it.
func (w *world) ownMachine(t *testing.T) (token string) {
	t.Helper()
	if err := w.apply(w.owner, ownOrganization+`
---
apiVersion: v1
kind: Secret
metadata: {name: own, namespace: evil, labels: {auth.gatehouse.dev/secret: input}}
stringData: {secret: `+ownSecret+`}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: own, namespace: evil}
spec:
  organizationRef: {name: evil}
  type: Machine
  scopes: ["org:read"]
  credentials: {source: FromSecret, fromSecret: {name: own, key: secret}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: own, namespace: evil}
spec: {organizationRef: {name: evil}, rules: [{scopes: ["org:read"]}], subjects: [{kind: ApiApplication, name: own}]}
`); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Role evil/own", "True")
	eventually(t, "a token of mallory's", func() (err error) {
		token, err = w.token("evil.evil.own", ownSecret)
		return err
	})
	if err := w.works(token, "evil"); err != nil {
		t.Fatal(err)
	}
	return token
}

// A token is for its organization; deleting its application ends it at once, also while a
// finalizer of the tenant's keeps the object, and also if it is made again.
func TestATokenOfAnApplicationThatIsDeletedEndsWhateverHoldsTheObject(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	token := w.ownMachine(t)
	if err := w.works(token, "acme"); err == nil {
		t.Error("mallory's token works at acme")
	}
	app := &v1alpha1.ApiApplication{}
	if err := w.editor.Get(t.Context(), key("evil/own"), app); err != nil {
		t.Fatal(err)
	}
	app.Finalizers = []string{"evil.example/for-ever"}
	if err := w.editor.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if err := w.editor.Delete(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	eventually(t, "ended", func() error {
		if err := w.works(token, "evil"); err == nil {
			return fmt.Errorf("the token still works")
		}
		return nil
	})
	t.Logf("ended after %v", time.Since(deleted))
	if _, err := w.token("evil.evil.own", ownSecret); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("the secret of an application that is being deleted: %v", err)
	}
	if err := w.editor.Get(t.Context(), key("evil/own"), app); err != nil || app.DeletionTimestamp == nil {
		t.Fatalf("the finalizer did not hold it: %v", err)
	}
	app.Finalizers = nil
	if err := w.editor.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
}

// Somebody's finalizer on an Organization keeps the object, and nothing else: its slug is free.
func TestAFinalizerKeepsNoName(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	token := w.ownMachine(t)
	o := &v1alpha1.Organization{}
	if err := w.owner.Get(t.Context(), key("evil/evil"), o); err != nil {
		t.Fatal(err)
	}
	o.Finalizers = []string{"evil.example/for-ever"}
	if err := w.owner.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := w.owner.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := w.apply(w.owner, organization("next", "evil", "evil")); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Organization evil/next", "True")
	if err := w.works(token, "evil"); err == nil {
		t.Error("a token of the organization before works in the one that has its slug now")
	}
	if err := w.owner.Get(t.Context(), key("evil/evil"), o); err != nil {
		t.Fatal(err)
	}
	o.Finalizers = nil
	if err := w.owner.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// An owner reference is a claim of whoever writes it. One to the victim's application makes
// no Secret the victim's; one to an own application proves nothing about what is in it.
func TestAForgedOwnerReferenceProvesNothing(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	w.ownMachine(t)
	victim, err := w.get("ApiApplication acme/web")
	if err != nil {
		t.Fatal(err)
	}
	forge := func(name string, uid types.UID) {
		t.Helper()
		if err := w.editor.Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Namespace: "evil", Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretOutput},
				Annotations:     map[string]string{v1alpha1.CredentialsAnnotation: w.secret(t, "acme/web-credentials").Annotations[v1alpha1.CredentialsAnnotation]},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ApiApplication", Name: "web", UID: uid}},
			},
			StringData: map[string]string{"client-secret": ownSecret, "client-id": "acme.web"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	forge("web-credentials", victim.GetUID())
	w.flush(t)
	if s := w.secret(t, "evil/web-credentials"); string(s.Data["client-secret"]) != ownSecret {
		t.Error("a Secret that is nobody's was written")
	}
	if _, err := w.token("acme.web", ownSecret); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("the forged secret at the victim's application: %v", err)
	}

	// In the place of the Secret that an own application is about to get.
	if err := w.apply(w.editor, `{apiVersion: auth.gatehouse.dev/v1alpha1, kind: ApiApplication, metadata: {name: made, namespace: evil}, spec: {organizationRef: {name: evil}, type: Machine, suspend: true, scopes: ["org:read"]}}`); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "ApiApplication evil/made", "True")
	made, err := w.get("ApiApplication evil/made")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.editor.Delete(t.Context(), w.secret(t, "evil/made-credentials")); err != nil {
		t.Fatal(err)
	}
	err = w.editor.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: "made-credentials", Namespace: "evil", Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretOutput},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ApiApplication", Name: "made", UID: made.GetUID()}},
		},
		StringData: map[string]string{"client-secret": ownSecret},
	})
	if err != nil && client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	eventually(t, "healed", func() error {
		if s := w.secret(t, "evil/made-credentials"); string(s.Data["client-secret"]) == ownSecret {
			return fmt.Errorf("the secret that mallory wrote stands")
		}
		return nil
	})
	if _, err := w.token("evil.evil.made", ownSecret); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("the secret that mallory chose: %v", err)
	}
}

// What was lent is taken back at once: the Organization's administrator needs nobody's help.
func TestANamespaceThatIsNoLongerAdmittedIsCutOffAtOnce(t *testing.T) {
	w := here
	w.before(t)
	t.Cleanup(func() { w.clean(t) })
	if err := w.apply(w.admin, `
{apiVersion: v1, kind: Namespace, metadata: {name: lend}}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Organization, metadata: {name: lend, namespace: lend}, spec: {slug: lend, allowedNamespaces: {apiApplications: {from: All}}}}
---
{apiVersion: auth.gatehouse.dev/v1alpha1, kind: Role, metadata: {name: guest, namespace: lend}, spec: {organizationRef: {name: lend}, rules: [{scopes: ["org:read"]}], subjects: [{kind: ApiApplication, name: guest, namespace: evil}]}}
`); err != nil {
		t.Fatal(err)
	}
	if err := w.apply(w.editor, `
apiVersion: v1
kind: Secret
metadata: {name: guest, namespace: evil, labels: {auth.gatehouse.dev/secret: input}}
stringData: {secret: `+ownSecret+`}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: guest, namespace: evil}
spec:
  organizationRef: {name: lend, namespace: lend}
  type: Machine
  scopes: ["org:read"]
  credentials: {source: FromSecret, fromSecret: {name: guest, key: secret}}
`); err != nil {
		t.Fatal(err)
	}
	w.becomes(t, "Role lend/guest", "True")
	token := ""
	eventually(t, "a token", func() (err error) {
		token, err = w.token("lend.evil.guest", ownSecret)
		return err
	})
	if err := w.works(token, "lend"); err != nil {
		t.Fatal(err)
	}
	o := &v1alpha1.Organization{}
	if err := w.admin.Get(t.Context(), key("lend/lend"), o); err != nil {
		t.Fatal(err)
	}
	o.Spec.AllowedNamespaces = nil
	if err := w.admin.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	eventually(t, "cut off", func() error {
		if err := w.works(token, "lend"); err == nil {
			return fmt.Errorf("the token still works")
		}
		return nil
	})
	w.becomes(t, "ApiApplication evil/guest", "NotAdmitted")
}
