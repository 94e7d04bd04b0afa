package compile

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// facts are what is known besides the four kinds.
type facts struct {
	namespaces map[string]Namespace
	secrets    map[types.NamespacedName]Secret
	outputs    map[types.NamespacedName]Output
	audiences  map[string]model.ObjectID // whose each one is
	issuer     string
	dev        bool
	assume     bool // that output Secrets are there
	noCluster  bool
	explaining bool
}

// asked is what a tenant's verdict looked up, found or not: a change of it, and no other,
// makes the tenant be judged again.
type asked struct {
	namespaces map[string]bool
	secrets    map[types.NamespacedName]bool // input and output: they share their names
	audiences  map[string]bool
}

func newAsked() asked {
	return asked{map[string]bool{}, map[types.NamespacedName]bool{}, map[string]bool{}}
}

// touches reports whether anything that was asked for is among what changed.
func (a asked) touches(changed asked) bool {
	for n := range changed.namespaces {
		if a.namespaces[n] {
			return true
		}
	}
	for s := range changed.secrets {
		if a.secrets[s] {
			return true
		}
	}
	for u := range changed.audiences {
		if a.audiences[u] {
			return true
		}
	}
	return false
}

// update takes in the facts of an Input and returns what changed.
func (f *facts) update(in *Input) (changed asked) {
	changed = newAsked()
	namespaces, secrets := indexNamespaces(in.Namespaces), f.secrets
	if !f.sameSecrets(in.Secrets) {
		secrets = indexSecrets(in.Secrets)
		difference(f.secrets, secrets, sameSecret, changed.secrets)
	}
	if !f.sameOutputs(in.Outputs) {
		outputs := indexOutputs(in.Outputs)
		difference(f.outputs, outputs, sameOutput, changed.secrets)
		f.outputs = outputs
	}
	difference(f.namespaces, namespaces, sameNamespace, changed.namespaces)
	f.namespaces, f.secrets = namespaces, secrets
	f.issuer, f.dev, f.assume, f.noCluster = in.Issuer, in.Dev, in.AssumeOutputs, in.NoCluster
	return changed
}

// sameSecrets spares building an index of thousands where nothing changed.
func (f *facts) sameSecrets(list []Secret) bool {
	if len(list) != len(f.secrets) {
		return false
	}
	for i := range list {
		known, ok := f.secrets[types.NamespacedName{Namespace: list[i].Namespace, Name: list[i].Name}]
		if !ok || known.Version != list[i].Version {
			return false
		}
	}
	return true
}

// sameOutputs is sameSecrets for the Secrets that were written.
func (f *facts) sameOutputs(list []Output) bool {
	if len(list) != len(f.outputs) {
		return false
	}
	for i := range list {
		known, ok := f.outputs[types.NamespacedName{Namespace: list[i].Namespace, Name: list[i].Name}]
		if !ok || known.Version != list[i].Version {
			return false
		}
	}
	return true
}

func indexSecrets(list []Secret) map[types.NamespacedName]Secret {
	index := make(map[types.NamespacedName]Secret, len(list))
	for _, s := range list {
		name := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
		if other, twice := index[name]; !twice || other.Version < s.Version {
			index[name] = s
		}
	}
	return index
}

func indexOutputs(list []Output) map[types.NamespacedName]Output {
	index := make(map[types.NamespacedName]Output, len(list))
	for _, o := range list {
		name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
		if other, twice := index[name]; !twice || other.Version < o.Version {
			index[name] = o
		}
	}
	return index
}

func indexNamespaces(list []Namespace) map[string]Namespace {
	index := make(map[string]Namespace, len(list))
	for _, n := range list {
		if n.Labels == nil {
			n.Labels = map[string]string{} // known to have none
		}
		if other, twice := index[n.Name]; !twice || fmt.Sprint(other) < fmt.Sprint(n) {
			index[n.Name] = n
		}
	}
	return index
}

func sameSecret(a, b Secret) bool { return a.Version == b.Version }
func sameOutput(a, b Output) bool { return a.Version == b.Version }

func sameNamespace(a, b Namespace) bool {
	return maps.Equal(a.Labels, b.Labels) && slices.Equal(a.Slugs, b.Slugs)
}

// difference notes the keys whose values are not the same before and after.
func difference[K comparable, V any](before, after map[K]V, same func(V, V) bool, changed map[K]bool) {
	for k, v := range after {
		if old, ok := before[k]; !ok || !same(old, v) {
			changed[k] = true
		}
	}
	for k := range before {
		if _, ok := after[k]; !ok {
			changed[k] = true
		}
	}
}
