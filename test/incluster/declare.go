package incluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
)

// Held are a machine client and the only Role that it holds, in the first Organization of a
// declared world: what the Role grants is what the client's introspection shows.
const (
	HeldNamespace = "org-0"
	HeldRole      = "held"
	HeldClientID  = "org-0.org-0.held"
)

// Declare writes a world of this size, and Held, and returns of how many objects it is.
func (c *Cluster) Declare(ctx context.Context, size compiletest.Size) (int, error) {
	in := compiletest.World(size)
	var namespaces, objects []client.Object
	for _, n := range in.Namespaces {
		namespaces = append(namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels}})
	}
	for _, s := range in.Secrets {
		objects = append(objects, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}},
			StringData: map[string]string{"client-secret": compiletest.Secret},
		})
	}
	held, role := in.Applications[0].DeepCopy(), in.Roles[0].DeepCopy()
	held.Name, role.Name = "held", HeldRole
	held.Spec.Scopes = []v1alpha1.ApplicationScope{"org:read", "project:read"}
	role.Spec.Subjects = []v1alpha1.Subject{{Kind: v1alpha1.SubjectApiApplication, Name: held.Name}}
	objects = append(objects, held, role)
	for _, o := range in.Providers {
		objects = append(objects, o)
	}
	for _, o := range in.Organizations {
		objects = append(objects, o)
	}
	for _, o := range in.Applications {
		objects = append(objects, o)
	}
	for _, o := range in.Roles {
		objects = append(objects, o)
	}
	for _, o := range objects { // the API server's to give
		o.SetUID("")
		o.SetGeneration(0)
		o.SetCreationTimestamp(metav1.Time{})
	}
	for _, all := range [][]client.Object{namespaces, objects} {
		if err := c.Create(ctx, len(all), func(i int) client.Object { return all[i] }); err != nil {
			return 0, err
		}
	}
	return len(namespaces) + len(objects), nil
}
