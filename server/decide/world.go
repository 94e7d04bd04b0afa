// Package decide holds the one decision function: whether a token may be used, for what,
// and why not. Everything that accepts a token asks it.
package decide

import (
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// World is what is in force: one configuration, and when objects of it were last gone. It
// is swapped whole, and never changed afterwards.
type World struct {
	*model.Snapshot
	// Gone is, by UID, when an object was last absent. What was issued for it at that
	// moment or earlier is dead, though the object may be back.
	Gone map[string]time.Time
}

// Alive reports whether something issued at that moment for the object with this UID
// has not been cut off by the object's absence since.
func (w *World) Alive(uid string, issued time.Time) bool {
	gone, ever := w.Gone[uid]
	return !ever || issued.After(gone)
}

// Person is what of an account decides which roles it holds: short of what rests on objects
// that were absent since. A provider that came back tells its groups and addresses anew.
func (w *World) Person(u *store.User) model.Person {
	p := u.Person()
	if len(w.Gone) == 0 {
		return p
	}
	p.Addresses = slices.DeleteFunc(p.Addresses, func(a model.ProvenAddress) bool { return a.ProviderUID != "" && !w.Alive(a.ProviderUID, a.At) })
	p.Groups = slices.DeleteFunc(p.Groups, func(g model.GroupFact) bool { return !w.Alive(g.ProviderUID, g.At) })
	p.Memberships = slices.DeleteFunc(slices.Clone(p.Memberships), func(m model.Membership) bool {
		return !w.Alive(m.OrganizationID, m.At) || m.ProviderUID != "" && !w.Alive(m.ProviderUID, m.At)
	})
	return p
}
