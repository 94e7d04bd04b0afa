package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

func at(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// organization has the name and the slug of its namespace, and admits every other one.
func organization(namespace string) *v1alpha1.Organization {
	all := &v1alpha1.NamespaceAdmission{From: v1alpha1.FromAll}
	return &v1alpha1.Organization{ObjectMeta: at(namespace, namespace), Spec: v1alpha1.OrganizationSpec{
		Slug: namespace, AllowedNamespaces: &v1alpha1.AllowedNamespaces{ApiApplications: all, Roles: all},
		DeletionPolicy: "Delete", // what is protected does not end; test/e2e shows that
	}}
}

// machine is a client of an organization with a generated client secret.
func machine(namespace, name, organization string) *v1alpha1.ApiApplication {
	return &v1alpha1.ApiApplication{ObjectMeta: at(namespace, name), Spec: v1alpha1.ApiApplicationSpec{
		OrganizationRef: v1alpha1.ObjectReference{Namespace: organization, Name: organization},
		Type:            v1alpha1.TypeMachine, Scopes: []v1alpha1.ApplicationScope{"org:read"},
	}}
}

// role lets a machine of its namespace read an organization.
func role(namespace, machine, organization string) *v1alpha1.Role {
	return &v1alpha1.Role{ObjectMeta: at(namespace, machine), Spec: v1alpha1.RoleSpec{
		OrganizationRef: v1alpha1.ObjectReference{Namespace: organization, Name: organization},
		Rules:           []v1alpha1.RoleRule{{Scopes: []v1alpha1.ScopeName{"org:read"}}},
		Subjects:        []v1alpha1.Subject{{Kind: v1alpha1.SubjectApiApplication, Name: machine}},
	}}
}

// declare creates objects, with the namespaces they are in.
func (h *house) declare(t *testing.T, all ...client.Object) {
	t.Helper()
	for _, o := range all {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: o.GetNamespace()}}
		if err := h.Create(t.Context(), ns); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
		if err := h.Create(t.Context(), o); err != nil {
			t.Fatalf("create %T %s/%s: %v", o, o.GetNamespace(), o.GetName(), err)
		}
	}
}

func (h *house) remove(t *testing.T, o client.Object, how ...client.DeleteOption) {
	t.Helper()
	if err := h.Delete(t.Context(), o, how...); err != nil {
		t.Fatalf("delete %T %s/%s: %v", o, o.GetNamespace(), o.GetName(), err)
	}
}

func (h *house) removeNamespace(t *testing.T, name string) {
	t.Helper()
	h.remove(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// gone waits until objects are.
func (h *house) gone(t *testing.T, all ...client.Object) {
	t.Helper()
	for _, o := range all {
		eventually(t, fmt.Sprintf("gone: %T %s/%s", o, o.GetNamespace(), o.GetName()), func() error {
			err := h.Get(t.Context(), client.ObjectKeyFromObject(o), o)
			switch {
			case apierrors.IsNotFound(err):
				return nil
			case err != nil:
				return err
			}
			if ns, ok := o.(*corev1.Namespace); ok {
				return fmt.Errorf("it is there: %v", ns.Status.Conditions)
			}
			return fmt.Errorf("it is there, deleted at %v, with finalizers %v", o.GetDeletionTimestamp(), o.GetFinalizers())
		})
	}
}

func (h *house) goneNamespace(t *testing.T, name string) {
	t.Helper()
	h.gone(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

// expect waits for the Ready condition: True, or False with a reason.
func (h *house) expect(t *testing.T, o client.Object, ready v1alpha1.Reason) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s/%s %s", o, o.GetNamespace(), o.GetName(), ready), func() error {
		if err := h.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		c := meta.FindStatusCondition(conditions(o), v1alpha1.Ready)
		if c == nil || c.ObservedGeneration != o.GetGeneration() || string(c.Status) != string(ready) && (c.Status != metav1.ConditionFalse || c.Reason != string(ready)) {
			return fmt.Errorf("Ready is %+v", c)
		}
		return nil
	})
}

func conditions(o client.Object) []metav1.Condition {
	switch o := o.(type) {
	case *v1alpha1.Organization:
		return o.Status.Conditions
	case *v1alpha1.ApiApplication:
		return o.Status.Conditions
	case *v1alpha1.Role:
		return o.Status.Conditions
	}
	return nil
}

// login is what a machine has: from its Secret, and from the token endpoint.
type login struct {
	clientID, plain, token string
	secret                 *corev1.Secret
}

// loginOf waits until a machine is Ready and its Role is served, and uses the client secret
// that was made for it.
func (h *house) loginOf(t *testing.T, app *v1alpha1.ApiApplication) login {
	t.Helper()
	h.expect(t, app, "True")
	s := &corev1.Secret{ObjectMeta: at(app.Namespace, app.Status.CredentialsSecretName)}
	if err := h.Get(context.Background(), client.ObjectKeyFromObject(s), s); err != nil {
		t.Fatal(err)
	}
	l := login{clientID: string(s.Data["client-id"]), plain: string(s.Data["client-secret"]), secret: s}
	eventually(t, "a token for "+l.clientID, func() error {
		var why string
		if l.token, why = h.token(t, l.clientID, l.plain); why == "" && h.works(t, l.token, app.Spec.OrganizationRef.Name) {
			return nil
		}
		return errors.New("refused: " + why)
	})
	return l
}

// dead expects that neither the client secret nor the token is good for anything.
func (h *house) dead(t *testing.T, l login, slug string) {
	t.Helper()
	if h.works(t, l.token, slug) {
		t.Errorf("the token of %s still works", l.clientID)
	}
	if _, why := h.token(t, l.clientID, l.plain); why != "invalid_client" {
		t.Errorf("the client secret of %s is answered with %q", l.clientID, why)
	}
}
