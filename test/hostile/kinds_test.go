package hostile

import (
	"context"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

func key(of string) client.ObjectKey {
	namespace, name, _ := strings.Cut(of, "/")
	return client.ObjectKey{Namespace: namespace, Name: name}
}

func inNamespace(name string) client.ListOption { return client.InNamespace(name) }
func eventList() client.ObjectList              { return &eventsv1.EventList{} }
func lease() client.Object                      { return &coordinationv1.Lease{} }

// annotate grants the namespace evil a slug, as somebody.
func annotate(ctx context.Context, w *world, as client.Client) error {
	var n corev1.Namespace
	if err := w.admin.Get(ctx, client.ObjectKey{Name: "evil"}, &n); err != nil {
		return err
	}
	n.Annotations = map[string]string{v1alpha1.SlugsAnnotation: "acme"}
	return as.Update(ctx, &n)
}

// serializer of requests whose bodies are written by hand.
var serializer = clientgoscheme.Codecs.WithoutConversion()

func userNamed(name string) envtest.User { return envtest.User{Name: name} }
