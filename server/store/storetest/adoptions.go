package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// remade has the first object go, and another of its name come.
func remade(t *testing.T, db *store.DB) (first, second store.Object) {
	t.Helper()
	first, second = object("first"), object("second")
	for _, present := range [][]store.Object{{first}, nil, {second}} {
		_, err := db.SyncObjects(t.Context(), present, Noon)
		must(t, err)
	}
	return first, second
}

func adopts(uid, id string) []store.Adoption { return []store.Adoption{{UID: uid, ID: id, At: Noon}} }

func adoptionIsRemembered(t *testing.T, db *store.DB) {
	ctx := t.Context()
	remade(t, db)
	before, err := db.LastAdoption(ctx)
	must(t, err)
	must(t, db.Adopt(ctx, adopts("second", "first"), []store.Event{Act("object.adopted")}))
	got, err := db.Adoptions(ctx)
	must(t, err)
	same(t, "adoptions", got, adopts("second", "first"))
	last, err := db.LastAdoption(ctx)
	must(t, err)
	if last <= before {
		t.Errorf("the number went from %d to %d", before, last)
	}
	events, err := db.Events(ctx, 1)
	must(t, err)
	same(t, "event", told(events), []store.Event{Act("object.adopted")})

	again := adopts("second", "first")
	again[0].At = Noon.Add(time.Hour)
	must(t, db.Adopt(ctx, again, nil))
	got, err = db.Adoptions(ctx)
	must(t, err)
	same(t, "adopted again", got, again)
	if next, err := db.LastAdoption(ctx); err != nil || next <= last {
		t.Errorf("the number went from %d to %d, %v", last, next, err)
	}
}

func adoptionNeedsBothAsTheyAre(t *testing.T, db *store.DB) {
	ctx := t.Context()
	_, second := remade(t, db)
	other, third := second, second
	other.UID, other.Name = "other", "api"
	kind := other
	kind.UID, kind.Kind = "kind", "Organization"
	_, err := db.SyncObjects(ctx, []store.Object{second, other, kind}, Noon)
	must(t, err)
	for what, a := range map[string][]store.Adoption{
		"nobody's UID":              adopts("none", "first"),
		"nobody's ID":               adopts("second", "none"),
		"an object that is gone":    adopts("first", "second"),
		"another name":              adopts("other", "first"),
		"another kind":              adopts("kind", "other"),
		"one that is there":         adopts("other", "second"),
		"one of two that cannot be": {{UID: "second", ID: "first", At: Noon}, {UID: "other", ID: "first", At: Noon}},
	} {
		wantErr(t, what, db.Adopt(ctx, a, []store.Event{Act("object.adopted")}), store.ErrConflict)
	}
	// Two of one name that are both there are two, whoever says so.
	twin := second
	twin.UID = "twin"
	_, err = db.SyncObjects(ctx, []store.Object{second, twin, other, kind}, Noon)
	must(t, err)
	wantErr(t, "one of its name that is there", db.Adopt(ctx, adopts("second", "twin"), nil), store.ErrConflict)
	got, err := db.Adoptions(ctx)
	must(t, err)
	same(t, "all or none", len(got), 0)
	events, err := db.Events(ctx, 1)
	must(t, err)
	same(t, "no event of what did not happen", len(events), 0)

	must(t, db.Adopt(ctx, adopts("second", "first"), nil))
	third.UID = "third"
	_, err = db.SyncObjects(ctx, []store.Object{third}, Noon)
	must(t, err)
	wantErr(t, "a chain", db.Adopt(ctx, adopts("third", "second"), nil), store.ErrConflict)
	must(t, db.Adopt(ctx, adopts("third", "first"), nil))
	_, err = db.SyncObjects(ctx, []store.Object{object("first")}, Noon)
	must(t, err)
	wantErr(t, "a circle", db.Adopt(ctx, adopts("first", "third"), nil), store.ErrConflict)
	must(t, db.Adopt(ctx, adopts("first", "first"), nil)) // it came back as itself
}

func organizationOfAnApplication(t *testing.T, db *store.DB) {
	served := object("first")
	served.OrganizationID = "org_1"
	for _, present := range [][]store.Object{{served}, {object("first")}, nil} {
		_, err := db.SyncObjects(t.Context(), present, Noon)
		must(t, err)
	}
	got, err := db.Objects(t.Context())
	must(t, err)
	same(t, "gone, and not served before that", got, []store.Remembered{{Object: gone(served, Noon)}})
}

func boundIsWhatIsInForce(t *testing.T, db *store.DB) {
	ctx := t.Context()
	u := Person(t, db)
	s := SignedIn(t, db, u)
	c := CodeOf(s)
	consent := ConsentOf(c)
	must(t, db.CreateAuthorizationCode(ctx, c, &consent, Act("code.created")))
	Granted(t, db, u, GrantOf(u))
	revoked := Granted(t, db, u, GrantOf(u))
	must(t, db.RevokeGrant(ctx, revoked.ID, Noon, "test", Act("grant.revoked")))
	total := func(at time.Time) (sum store.Bound) {
		all, err := db.Bound(ctx, at)
		must(t, err)
		for _, b := range all {
			sum.Grants += b.Grants
			sum.Consents += b.Consents
			sum.Sessions += b.Sessions
		}
		return sum
	}
	same(t, "at noon", total(Noon), store.Bound{Grants: 1, Consents: 1, Sessions: 1})
	same(t, "unused for an hour", total(Noon.Add(time.Hour)), store.Bound{Consents: 1, Sessions: 1})
	same(t, "after a year", total(Noon.Add(365*24*time.Hour)), store.Bound{})
}
