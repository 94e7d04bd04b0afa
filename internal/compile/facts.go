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
	secrets    register[Secret]
	outputs    register[Output]
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
	f.secrets.update(in.Secrets, changed.secrets)
	f.outputs.update(in.Outputs, changed.secrets)
	if ids := adopted(in); len(ids)+len(f.ids) > 0 {
		difference(f.ids, ids, func(a, b string) bool { return a == b }, changed.uids)
		f.ids = ids
	}
	f.issuer, f.dev, f.assume, f.noCluster = in.Issuer, in.Dev, in.AssumeOutputs, in.NoCluster
	return changed
}

// register is a list of Secrets by their names.
type register[T versioned] struct {
	known map[types.NamespacedName]*entry[T]
	round int // of looking for differences
}

type entry[T versioned] struct {
	value T
	seen  int // in which round
}

func (r *register[T]) find(name types.NamespacedName) (value T, found bool) {
	e, found := r.known[name]
	if found {
		value = e.value
	}
	return value, found
}

// update takes in a list and notes which names changed.
func (r *register[T]) update(list []T, changed map[types.NamespacedName]bool) {
	if r.same(list) {
		return
	}
	all := make(map[types.NamespacedName]*entry[T], len(list))
	for _, v := range list {
		if other, twice := all[v.name()]; !twice || other.value.version() < v.version() {
			all[v.name()] = &entry[T]{value: v}
		}
	}
	difference(r.known, all, func(a, b *entry[T]) bool { return a.value.version() == b.value.version() }, changed)
	r.known = all
}

// same reports whether a list has exactly what is known, by names and versions: it spares
// building an index of thousands where nothing changed. What is in the list twice counts
// once, or it would hide that another one is gone.
func (r *register[T]) same(list []T) bool {
	if len(list) != len(r.known) {
		return false
	}
	r.round++
	for _, v := range list {
		e, ok := r.known[v.name()]
		if !ok || e.seen == r.round || e.value.version() != v.version() {
			return false
		}
		e.seen = r.round
	}
	return true
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
