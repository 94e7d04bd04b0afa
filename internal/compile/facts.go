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
	ids        map[string]string         // by UID, of those that are not their own
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
	uids       map[string]bool // only of what changed: everybody asks for those of their members
}

func newAsked() asked {
	return asked{map[string]bool{}, map[types.NamespacedName]bool{}, map[string]bool{}, map[string]bool{}}
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
	namespaces := indexNamespaces(in.Namespaces)
	difference(f.namespaces, namespaces, sameNamespace, changed.namespaces)
	f.namespaces = namespaces
	if !same(in.Secrets, f.secrets) {
		secrets := index(in.Secrets)
		difference(f.secrets, secrets, sameVersion, changed.secrets)
		f.secrets = secrets
	}
	if !same(in.Outputs, f.outputs) {
		outputs := index(in.Outputs)
		difference(f.outputs, outputs, sameVersion, changed.secrets)
		f.outputs = outputs
	}
	if ids := adopted(in); len(ids)+len(f.ids) > 0 {
		difference(f.ids, ids, func(a, b string) bool { return a == b }, changed.uids)
		f.ids = ids
	}
	f.issuer, f.dev, f.assume, f.noCluster = in.Issuer, in.Dev, in.AssumeOutputs, in.NoCluster
	return changed
}

// same reports whether a list has exactly what is known, by names and versions: it spares
// building an index of thousands where nothing changed.
func same[T versioned](list []T, known map[types.NamespacedName]T) bool {
	return len(list) == len(known) && !slices.ContainsFunc(list, func(v T) bool {
		k, ok := known[v.name()]
		return !ok || !sameVersion(k, v)
	})
}

func index[T versioned](list []T) map[types.NamespacedName]T {
	all := make(map[types.NamespacedName]T, len(list))
	for _, v := range list {
		if other, twice := all[v.name()]; !twice || other.version() < v.version() {
			all[v.name()] = v
		}
	}
	return all
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

// versioned are the Secrets, of either label.
type versioned interface {
	name() types.NamespacedName
	version() string
}

func (s Secret) name() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
}
func (s Secret) version() string { return s.Version }
func (o Output) name() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}
func (o Output) version() string { return o.Version }

func sameVersion[T versioned](a, b T) bool { return a.version() == b.version() }

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
