package controllers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Whose an object is says its status.installation. The first installation that writes the
// status becomes the owner, by a write that the API server refuses if anybody was faster
// (statusWriter.apply); from then on it does not exist for any other: it is not served, not
// written, and not judged, whatever labels it has, until Claim. An object without an owner
// is everybody's who sees it: it is served at once, as every replica serves before its
// leader writes, and dropped again by all who did not become its owner.
//
// Who may write the status of an object can so take it from its installation, and from the
// people who sign in with it; it never comes to more rights by that, since the new owner
// judges the declaration as its own. Tenants may not: gatehouse-edit has no */status.

// ownerOf is the installation that the status of one of the four kinds names; empty before
// the first verdict.
func ownerOf(o client.Object) string {
	switch o := o.(type) {
	case *v1alpha1.Organization:
		return o.Status.Installation
	case *v1alpha1.ApiApplication:
		return o.Status.Installation
	case *v1alpha1.Role:
		return o.Status.Installation
	case *v1alpha1.AuthProvider:
		return o.Status.Installation
	}
	return ""
}

// otherOwner is the owner of an object if that is another installation, else empty.
func (w *world) otherOwner(o client.Object) string {
	if owner := ownerOf(o); owner != w.installation {
		return owner
	}
	return ""
}

// foreigner is an object that is left to another installation.
type foreigner struct {
	id    model.ObjectID
	owner string
}

// ours are the objects of a kind that are not left to another installation, in the
// namespaces that were read. The caller holds the lock.
func ours[T client.Object](w *world, all kept[T], kind string, foreign *[]foreigner) []T {
	if len(w.notOurs) == 0 && w.joined == nil {
		return slices.Collect(maps.Values(all))
	}
	mine := make([]T, 0, len(all))
	for name, o := range all {
		if !w.whole(name.Namespace) {
			continue
		}
		id := identify(kind, o)
		owner, other := w.notOurs[id]
		if other && owner == "" {
			owner = w.ownerAbove(o)
		}
		if owner == "" {
			mine = append(mine, o)
		} else {
			*foreign = append(*foreign, foreigner{id, owner})
		}
	}
	return mine
}

// ownerAbove is the other installation that owns the Organization which an object refers
// to, else empty: what nobody owns yet goes with its Organization, so that of two
// installations that see everything only one ever claims it.
func (w *world) ownerAbove(o client.Object) string {
	if above := w.organizations[organizationOf(o)]; above != nil {
		return w.otherOwner(above)
	}
	return ""
}

// organizationOf is the Organization that an object refers to, none if it refers to none.
func organizationOf(o client.Object) types.NamespacedName {
	var ref v1alpha1.ObjectReference
	switch o := o.(type) {
	case *v1alpha1.ApiApplication:
		ref = o.Spec.OrganizationRef
	case *v1alpha1.Role:
		ref = o.Spec.OrganizationRef
	case *v1alpha1.AuthProvider:
		if o.Spec.OrganizationRef == nil {
			return types.NamespacedName{}
		}
		ref = *o.Spec.OrganizationRef
	default:
		return types.NamespacedName{}
	}
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, o.GetNamespace()), Name: ref.Name}
}

func identify(kind string, o client.Object) model.ObjectID {
	return model.ObjectID{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID())}
}

// maxForeignLogged bounds the lines that one change logs: after a keyring was lost every
// object is foreign.
const maxForeignLogged = 20

// neighbours remembers what is left to other installations, for people who ask.
type neighbours struct {
	log     logr.Logger
	metrics *clusterMetrics

	mu    sync.Mutex
	known map[model.ObjectID]string
}

// replace takes what is foreign now, and logs what was not before.
func (n *neighbours) replace(foreign []foreigner) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(foreign) == 0 && len(n.known) == 0 {
		return
	}
	next := make(map[model.ObjectID]string, len(foreign))
	counts := map[string]int{}
	news := 0
	for _, f := range foreign {
		next[f.id] = f.owner
		counts[f.id.Kind]++
		if n.known[f.id] == f.owner {
			continue
		}
		if news++; news <= maxForeignLogged {
			n.log.Info("left to another installation: not served here, status not written; an administrator takes it over with gatehouse adopt (docs/operations.md, Two installations)",
				"kind", f.id.Kind, "namespace", f.id.Namespace, "name", f.id.Name, "installation", f.owner)
		}
	}
	if more := news - maxForeignLogged; more > 0 {
		n.log.Info("left to another installation as well: see gatehouse_foreign_objects and /readyz?verbose", "objects", more)
	}
	n.metrics.foreign(counts)
	n.known = next
}

// remarks say what is foreign, and the cure.
func (n *neighbours) remarks() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := map[string]int{}
	for _, owner := range n.known {
		counts[owner]++
	}
	var all []string
	for _, owner := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%d objects are those of installation %.64q (status.installation) and are not served here; "+
			"if that installation is no more, or its keyring is lost, take them over: gatehouse adopt --all --from that ID (docs/operations.md, Two installations)", counts[owner], owner))
	}
	return all
}
