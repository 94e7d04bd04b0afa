package compile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// bySeniority returns the objects, each once, oldest first, then by UID: the order in
// which slugs and client IDs are given away. It does not depend on the order given.
func bySeniority[T interface {
	comparable
	metav1.Object
}](objects []T) []T {
	var none T
	sorted := slices.Clone(objects)
	sorted = slices.DeleteFunc(sorted, func(o T) bool { return o == none })
	slices.SortFunc(sorted, compareSeniority[T])
	return slices.Compact(sorted)
}

// compareSeniority is negative if a is the older of the two. It is 0 for one object only.
func compareSeniority[T interface {
	comparable
	metav1.Object
}](a, b T) int {
	if a == b {
		return 0
	}
	ours, theirs := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if c := cmp.Or(ours.Compare(theirs.Time),
		strings.Compare(string(a.GetUID()), string(b.GetUID())),
		strings.Compare(a.GetNamespace(), b.GetNamespace()),
		strings.Compare(a.GetName(), b.GetName())); c != 0 {
		return c
	}
	return compareContent(a, b)
}

// compareContent decides between two objects of one identity, which no cluster has.
func compareContent(a, b any) int {
	ours, _ := json.Marshal(a)
	theirs, _ := json.Marshal(b)
	return bytes.Compare(ours, theirs)
}

// roll is the names and UIDs of one kind that are taken.
type roll struct {
	names map[types.NamespacedName]bool
	uids  map[types.UID]bool
}

func newRoll() roll {
	return roll{map[types.NamespacedName]bool{}, map[types.UID]bool{}}
}

// enter admits an object under a name and UID of its own. What is issued is bound to the
// UID, so two objects of one UID would inherit from each other.
func (l roll) enter(o metav1.Object, r *Report) bool {
	name := nameOf(o)
	switch {
	case o.GetUID() == "":
		r.refuse(v1alpha1.ReasonInvalidSpec, "metadata.uid", "is missing; it is given by the cluster, or by the loader of manifests")
	case l.uids[o.GetUID()]:
		r.refuse(v1alpha1.ReasonInvalidSpec, "metadata.uid", "%s belongs to an older object too; create this one anew", quote(o.GetUID()))
	case l.names[name]:
		r.refuse(v1alpha1.ReasonInvalidSpec, "metadata.name", "%s belongs to an older object too; choose another name", quote(name.String()))
	default:
		l.uids[o.GetUID()], l.names[name] = true, true
		return true
	}
	return false
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// resolve returns the full name that a reference made in a namespace means.
func resolve(ref v1alpha1.ObjectReference, namespace string) types.NamespacedName {
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, namespace), Name: ref.Name}
}

// show writes a name into a message; it came from a declaration and may be of any length.
func show(n types.NamespacedName) string { return clip(n.Namespace, 64) + "/" + clip(n.Name, 64) }
