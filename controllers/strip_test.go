package controllers

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/output"
)

// bomb is metadata as large as an API server admits.
func bomb(label string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{
		Name: "bomb", Namespace: "evil", UID: "u", ResourceVersion: "1",
		Labels:      map[string]string{v1alpha1.SecretLabel: label},
		Annotations: map[string]string{"note": strings.Repeat("x", 200<<10), v1alpha1.SlugsAnnotation: "evil"},
	}
	for i := range 3000 {
		m.Labels[fmt.Sprintf("%s/l%d", strings.Repeat("a", 200), i)] = strings.Repeat("v", 60)
		m.OwnerReferences = append(m.OwnerReferences, metav1.OwnerReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: kindApplication, Name: strings.Repeat("n", 200), UID: "victim",
		})
		m.Finalizers = append(m.Finalizers, fmt.Sprintf("%s/%d", strings.Repeat("f", 200), i))
	}
	return m
}

func keptBytes(t *testing.T, o any) int {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
}

func TestWhatATenantAddsToAnObjectCostsNoMemory(t *testing.T) {
	for _, label := range []string{v1alpha1.SecretInput, v1alpha1.SecretOutput} {
		s := &corev1.Secret{ObjectMeta: bomb(label), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
		for i := range 1000 {
			s.Data[fmt.Sprintf("%s-%03d", strings.Repeat("k", 200), i)] = make([]byte, 1000)
		}
		before := keptBytes(t, s)
		stripped, err := stripSecret(s)
		if err != nil {
			t.Fatal(err)
		}
		if after := keptBytes(t, stripped); after > 64<<10 {
			t.Errorf("%s: %d of %d bytes are kept", label, after, before)
		}
		if fact := output.Read(s, model.NewSensitive("key")); fact.Owner != "" {
			t.Errorf("%s: it belongs to %s", label, fact.Owner)
		}
		if s.Labels[v1alpha1.SecretLabel] != label {
			t.Errorf("its label is gone: %v", s.Labels)
		}
	}
	for _, o := range []metav1.Object{
		&v1alpha1.ApiApplication{ObjectMeta: bomb("")}, &v1alpha1.Role{ObjectMeta: bomb("")},
	} {
		if _, err := stripDeclared(o); err != nil {
			t.Fatal(err)
		}
		if after := keptBytes(t, o); after > 1<<10 {
			t.Errorf("%T: %d bytes are kept", o, after)
		}
		if o.GetAnnotations()[v1alpha1.SlugsAnnotation] != "evil" || o.GetUID() != "u" {
			t.Errorf("%T lost what is read: %+v", o, o)
		}
	}
}

// Who is admitted by the absence of a label must not come to be so by having too many.
func TestTheLabelsOfANamespaceAreAllRead(t *testing.T) {
	n := &metav1.PartialObjectMetadata{ObjectMeta: bomb("")}
	want := maps.Clone(n.Labels)
	if _, err := stripDeclared(n); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(n.Labels, want) || len(n.Annotations) != 1 || len(n.Finalizers) != 0 {
		t.Errorf("%d of %d labels, %d annotations", len(n.Labels), len(want), len(n.Annotations))
	}
}

// A Secret of ours is written again as it is in memory: nothing that others added for a
// reason may be missing there.
func TestWhatOthersAddToAnOutputSecretIsKept(t *testing.T) {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Labels:          map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretOutput},
		Annotations:     map[string]string{"copied.example/to": strings.Repeat("x", 32<<10)},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: kindApplication, UID: "1"}},
		Finalizers:      []string{"copies.example/keep"},
	}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	for i := range 40 {
		s.Labels[fmt.Sprintf("example.com/l%d", i)] = "x"
	}
	want := s.DeepCopy()
	if _, err := stripSecret(s); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(s.Labels, want.Labels) || !maps.Equal(s.Annotations, want.Annotations) || len(s.OwnerReferences) != 1 || len(s.Finalizers) != 1 {
		t.Errorf("%+v", s.ObjectMeta)
	}
}

// The schema cannot bound what an example of a mapping holds: no more is kept than is read.
func TestOfLargeExamplesOnlyTheirSizeIsKept(t *testing.T) {
	large, small := []byte(`{"a":"`+strings.Repeat("x", 1<<20)+`"}`), []byte(`{"a":"b"}`)
	p := &v1alpha1.AuthProvider{}
	p.Spec.Mapping = &v1alpha1.ProviderMapping{Examples: []v1alpha1.MappingExample{{}, {}}}
	p.Spec.Mapping.Examples[0].Claims.Raw, p.Spec.Mapping.Examples[1].Claims.Raw = large, small
	if _, err := stripDeclared(p); err != nil {
		t.Fatal(err)
	}
	kept := p.Spec.Mapping.Examples
	if n := len(kept[0].Claims.Raw); n != v1alpha1.ExampleBytes+1 || cap(kept[0].Claims.Raw) > 2*n || string(kept[1].Claims.Raw) != string(small) {
		t.Errorf("%d bytes are kept of %d", n, len(large))
	}
	if _, err := stripDeclared(&v1alpha1.AuthProvider{}); err != nil {
		t.Error(err)
	}
}
