package server

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// kindApplication is the kind of an application's model.ObjectID.
const kindApplication = "ApiApplication"

// absences are those that an administrator lifted by adopting: an object that goes on as
// the one before it was never away.
type absences map[string]store.Adoption // by UID of the heir

// adoptions is what was read of the store last. It is used by one Publish at a time.
type adoptions struct {
	last  int64
	known absences
}

// adopted reads the adoptions, if there are new ones.
func (s *Server) adopted(ctx context.Context) (absences, error) {
	last, err := s.Store.LastAdoption(ctx)
	if err != nil || last == s.adoptions.last {
		return s.adoptions.known, err
	}
	all, err := s.Store.Adoptions(ctx)
	if err != nil {
		return nil, err
	}
	known := make(absences, len(all))
	for _, a := range all {
		known[a.UID] = a
	}
	s.adoptions = adoptions{last, known} // what came after last is read again
	return known, nil
}

// covers reports whether an absence of the object, that goes by the ID, was lifted. One that
// came later cuts off what was issued before it, as ever.
func (a absences) covers(uid, id string, gone time.Time) bool {
	adoption, ok := a[uid]
	return ok && adoption.ID == id && !gone.After(adoption.At)
}

// rememberMissed has the store remember removals that were served while it did not answer, of
// objects that are back: else what was issued before them would live again at the next start.
// To the store these objects go now and come back now. It returns what was ever gone.
func (s *Server) rememberMissed(ctx context.Context, next *model.Snapshot, declared []store.Object, gone map[string]store.Object, lifted absences, now time.Time) (map[string]store.Object, error) {
	old := s.world.Load()
	if old == nil || len(old.Gone) == 0 {
		return gone, nil
	}
	missed := func(o store.Object) bool {
		id := next.ID(o.UID)
		at, ever := old.Gone[id]
		return ever && at.After(gone[o.UID].GoneAt) && !lifted.covers(o.UID, id, at)
	}
	if !slices.ContainsFunc(declared, missed) {
		return gone, nil
	}
	if _, err := s.Store.SyncObjects(ctx, slices.DeleteFunc(slices.Clone(declared), missed), now); err != nil {
		return nil, err
	}
	return s.Store.SyncObjects(ctx, declared, now)
}

// present is what is declared, each application with the Organization that serves it.
func present(s *model.Snapshot) []store.Object {
	type name struct{ namespace, name string }
	served := map[name]string{}
	for o := range s.Organizations() {
		for a := range o.Applications() {
			served[name{a.Namespace, a.Name}] = o.ID
		}
	}
	objects := make([]store.Object, 0, len(s.Objects))
	for _, o := range s.Objects {
		known := store.Object{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID}
		if o.Kind == kindApplication {
			known.OrganizationID = served[name{o.Namespace, o.Name}]
		}
		objects = append(objects, known)
	}
	return objects
}

// subtract is what of the old world the next snapshot leaves in force. What it removes is
// gone now, so that it stays dead should it come back before the store can be written.
func subtract(old *decide.World, next *model.Snapshot, now time.Time) *decide.World {
	w := &decide.World{Snapshot: old.Only(next), Gone: make(map[string]time.Time, len(old.Gone))}
	for id, at := range old.Gone {
		w.Gone[id] = at
	}
	remaining := make(map[string]bool, len(next.Objects))
	for _, o := range next.Objects {
		remaining[o.UID] = true
	}
	for _, o := range old.Objects {
		if !remaining[o.UID] {
			w.Gone[old.ID(o.UID)] = now
		}
	}
	return w
}
