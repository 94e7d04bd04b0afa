package controllers

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// What is kept of an object is what somebody reads. The rest of its metadata is as large as
// an API server admits, which is more than a megabyte of labels alone, and would be memory
// that one tenant takes from all.

// Of a labelled Secret this much is kept: a client secret has 256 characters at the most, and
// one that is cut off here is too long for one. What is cut off as a whole is not there.
const (
	secretKeys       = 64
	secretValueBytes = 512
	secretBytes      = 24 << 10 // names and values together
	// Of what others add to the metadata of an object this much is put up with.
	metadataBytes   = 64 << 10
	metadataEntries = 128
)

// stripDeclared drops what nobody reads of an object that is no Secret.
func stripDeclared(o any) (any, error) {
	m, err := meta.Accessor(o)
	if err != nil {
		return o, nil //nolint:nilerr // no object of an API: a marker of the cache, which has nothing to drop
	}
	m.SetManagedFields(nil)
	m.SetOwnerReferences(nil)
	m.SetFinalizers(nil)
	if slugs, there := m.GetAnnotations()[v1alpha1.SlugsAnnotation]; there {
		m.SetAnnotations(map[string]string{v1alpha1.SlugsAnnotation: slugs})
	} else {
		m.SetAnnotations(nil)
	}
	if p, isProvider := o.(*v1alpha1.AuthProvider); isProvider {
		stripExamples(p.Spec.Mapping)
	}
	// The labels of a Namespace are a cluster administrator's, and a selector may ask for the
	// absence of one.
	if _, isNamespace := o.(*metav1.PartialObjectMetadata); !isNamespace && size(m.GetLabels()) > metadataBytes {
		m.SetLabels(nil)
	}
	return o, nil
}

// stripExamples keeps of claims that are too large only so much that they are seen to be: the
// schema cannot bound what may hold anything.
func stripExamples(m *v1alpha1.ProviderMapping) {
	if m == nil {
		return
	}
	for i := range m.Examples {
		if claims := &m.Examples[i].Claims; len(claims.Raw) > v1alpha1.ExampleBytes+1 {
			claims.Raw = slices.Clone(claims.Raw[:v1alpha1.ExampleBytes+1])
		}
	}
}

// stripSecret drops what nobody reads; an annotation may even repeat the Secret's data. What
// is ours is written again as it is here, so all of its metadata stays: unless it is more
// than anybody adds for a reason. Then it is kept as somebody else's, which is not written.
func stripSecret(o any) (any, error) {
	s, ok := o.(*corev1.Secret)
	if !ok {
		return o, nil
	}
	s.ManagedFields = nil
	label := s.Labels[v1alpha1.SecretLabel]
	if label != v1alpha1.SecretOutput || overlarge(s) {
		s.Labels = map[string]string{v1alpha1.SecretLabel: label}
		s.Annotations, s.OwnerReferences, s.Finalizers = nil, nil, nil
	}
	left := secretBytes
	for i, key := range slices.Sorted(maps.Keys(s.Data)) {
		value := s.Data[key]
		if len(value) > secretValueBytes {
			value = slices.Clone(value[:secretValueBytes])
			s.Data[key] = value
		}
		if left -= len(key) + len(value); i >= secretKeys || left < 0 {
			delete(s.Data, key)
		}
	}
	return s, nil
}

func overlarge(o metav1.Object) bool {
	return size(o.GetLabels())+size(o.GetAnnotations()) > metadataBytes ||
		len(o.GetOwnerReferences()) > metadataEntries || len(o.GetFinalizers()) > metadataEntries
}

// size is about how much memory a map takes.
func size(entries map[string]string) (bytes int) {
	for key, value := range entries {
		bytes += len(key) + len(value)
	}
	return bytes
}
