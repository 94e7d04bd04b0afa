// Package output turns what Compile wants of an application's Secret into that Secret, for
// whoever writes it: the controllers to a cluster, a server of files to its data directory.
//
// It writes nothing itself, and decides nothing about a declaration: read.go is what Compile
// learns of a Secret, keeper.go what is to be written next, compose.go how that looks.
package output

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const kindApplication = "ApiApplication"

// Read is what Compile may know of a Secret that is labelled as ours: no secret.
func Read(s *corev1.Secret, key model.Sensitive) compile.Output {
	o := compile.Output{
		Namespace: s.Namespace, Name: s.Name, Version: Version(s), Owner: owner(s),
		Credentials: s.Annotations[v1alpha1.CredentialsAnnotation],
		Values:      make(map[string]model.SecretDigest, len(s.Data)),
	}
	for name, value := range s.Data {
		o.Values[name] = key.Digest(value)
	}
	return o
}

// Version names one state of one Secret. The UID too: in a restored cluster a
// resourceVersion may come again.
func Version(s *corev1.Secret) string { return string(s.UID) + "/" + s.ResourceVersion }

// owner is the UID of the ApiApplication that the Secret was made for. One that is labelled
// by somebody else has none, nor has one of a type that gives it power.
func owner(s *corev1.Secret) string {
	if s.Type != corev1.SecretTypeOpaque || s.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretOutput {
		return ""
	}
	for _, ref := range s.OwnerReferences {
		if ref.APIVersion == v1alpha1.GroupVersion.String() && ref.Kind == kindApplication {
			return string(ref.UID)
		}
	}
	return ""
}

// Stale lists, of some Secrets, those that were made for an application which wants another
// one now, or none. One of which Compile says nothing stays as it is.
func Stale(r *compile.Report, there []compile.Output) (stale []compile.Output) {
	if r.Output == nil {
		return nil
	}
	for _, o := range there {
		if o.Owner != "" && o.Owner == r.Object.UID && o.Namespace == r.Object.Namespace && o.Name != r.Output.Name {
			stale = append(stale, o)
		}
	}
	slices.SortFunc(stale, func(a, b compile.Output) int { return strings.Compare(a.Name, b.Name) })
	return stale
}
