package output

import (
	"encoding/json"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
)

// compose is the Secret as it is to be: its type and everything that gives it power are
// ours, its data is exactly what is declared. Labels and annotations that others added stay,
// so that nobody fights over them.
func compose(r *compile.Report, there *corev1.Secret, state credential.State, secret []byte) *corev1.Secret {
	w := r.Output
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.Object.Namespace, Name: w.Name}}
	if there != nil {
		s = there.DeepCopy()
	}
	s.Type = corev1.SecretTypeOpaque
	before := declaredBefore(s)
	s.Labels = merged(s.Labels, before.Labels, w.Labels)
	s.Annotations = merged(s.Annotations, before.Annotations, w.Annotations)
	s.Labels[v1alpha1.SecretLabel] = v1alpha1.SecretOutput
	if w.Made {
		s.Annotations[v1alpha1.CredentialsAnnotation] = credential.Format(state.Credentials)
	} else {
		delete(s.Annotations, v1alpha1.CredentialsAnnotation)
	}
	if now := (declared{slices.Sorted(maps.Keys(w.Labels)), slices.Sorted(maps.Keys(w.Annotations))}); now.empty() {
		delete(s.Annotations, v1alpha1.OutputAnnotation)
	} else {
		s.Annotations[v1alpha1.OutputAnnotation] = now.String()
	}
	if owner(s) == "" {
		isController := true
		s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: kindApplication,
			Name: r.Object.Name, UID: types.UID(r.Object.UID), Controller: &isController,
		})
	}
	s.StringData, s.Data = nil, make(map[string][]byte, len(w.Data)+1)
	for key, value := range w.Data {
		s.Data[key] = []byte(value)
	}
	if w.SecretKey != "" {
		s.Data[w.SecretKey] = slices.Clone(secret)
	}
	return s
}

// declared are the keys of labels and annotations that a declaration asked for.
type declared struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
}

func (d declared) empty() bool { return len(d.Labels)+len(d.Annotations) == 0 }

func (d declared) String() string {
	text, err := json.Marshal(d)
	if err != nil { // never for strings
		panic(err)
	}
	return string(text)
}

// declaredBefore are those of the last write. Where somebody else has changed the list,
// nothing is known, and nothing removed.
func declaredBefore(s *corev1.Secret) (d declared) {
	if json.Unmarshal([]byte(s.Annotations[v1alpha1.OutputAnnotation]), &d) != nil {
		return declared{}
	}
	return d
}

// merged is what is there, without what was declared before, with what is declared now.
func merged(there map[string]string, before []string, now map[string]string) map[string]string {
	all := maps.Clone(there)
	if all == nil {
		all = map[string]string{}
	}
	for _, key := range before {
		delete(all, key)
	}
	maps.Copy(all, now)
	return all
}
