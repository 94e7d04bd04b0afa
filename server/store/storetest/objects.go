package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func object(uid string) store.Object {
	return store.Object{Kind: "ApiApplication", Namespace: "acme", Name: "cli", UID: uid}
}

func gone(o store.Object, at time.Time) store.Object {
	o.GoneAt = at
	return o
}

func objectsAreRemembered(t *testing.T, db *store.DB) {
	first, second := object("first"), object("second")
	at := func(minutes int) time.Time { return Noon.Add(time.Duration(minutes) * time.Minute) }
	steps := []struct {
		name    string
		present []store.Object
		at      time.Time
		want    map[string]store.Object
	}{
		{"nothing has gone", []store.Object{first}, at(0), map[string]store.Object{}},
		{"made again under another UID", []store.Object{second}, at(1), map[string]store.Object{}},
		{"back: gone until now", []store.Object{first, second}, at(3), map[string]store.Object{"first": gone(first, at(3))}},
		{"gone stays as it was", []store.Object{first, second}, at(4), map[string]store.Object{"first": gone(first, at(3))}},
		{"all gone", nil, at(5), map[string]store.Object{}},
		{"all back", []store.Object{first, second}, at(6), map[string]store.Object{"first": gone(first, at(6)), "second": gone(second, at(6))}},
	}
	for _, s := range steps {
		got, err := db.SyncObjects(t.Context(), s.present, s.at)
		must(t, err)
		same(t, s.name, got, s.want)
	}
}

func objectIsFound(t *testing.T, db *store.DB) {
	_, err := db.SyncObjects(t.Context(), []store.Object{object("first")}, Noon)
	must(t, err)
	_, err = db.SyncObjects(t.Context(), nil, Noon)
	must(t, err)
	got, err := db.Object(t.Context(), "first")
	must(t, err)
	same(t, "though it is gone", got, gone(object("first"), Noon))
	_, err = db.Object(t.Context(), "second")
	wantErr(t, "an unknown UID", err, store.ErrNotFound)
}

func objectsOfNamespaces(t *testing.T, db *store.DB) {
	here, elsewhere, gone := object("here"), object("elsewhere"), object("gone")
	elsewhere.Namespace = "elsewhere"
	_, err := db.SyncObjects(t.Context(), []store.Object{here, elsewhere, gone}, Noon)
	must(t, err)
	_, err = db.SyncObjects(t.Context(), []store.Object{here, elsewhere}, Noon)
	must(t, err)
	got, err := db.PresentIn(t.Context(), []string{here.Namespace, "empty"})
	must(t, err)
	same(t, "of one namespace", got, []store.Object{here})
	got, err = db.PresentIn(t.Context(), nil)
	must(t, err)
	same(t, "of none", len(got), 0)
}

func unchangedObjects(t *testing.T, db *store.DB) {
	ctx := t.Context()
	present := []store.Object{object("first"), object("second")}
	_, err := db.SyncObjects(ctx, present, Noon)
	must(t, err)
	present[0], present[1] = present[1], present[0]
	ended, cancel := context.WithCancel(ctx)
	cancel() // a write would be refused
	_, err = db.SyncObjects(ended, present, Noon.Add(time.Minute))
	must(t, err)
	_, err = db.SyncObjects(ended, nil, Noon.Add(time.Minute))
	wantErr(t, "something new", err, store.ErrUnavailable)
}

func keysAreRemembered(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, k := range []string{"b", "a", "b"} {
		must(t, db.RememberKey(ctx, k))
	}
	got, err := db.KnownKeys(ctx)
	must(t, err)
	same(t, "keys", got, []string{"a", "b"})
}

func passwordPolicyIsRemembered(t *testing.T, db *store.DB) {
	ctx := t.Context()
	_, err := db.PasswordPolicy(ctx)
	wantErr(t, "no policy yet", err, store.ErrNotFound)
	for _, p := range []store.PasswordPolicy{
		{MinLength: 12, CheckCommon: true},
		{MinLength: 8, Context: []string{"acme corp", "auth.example.com"}},
	} {
		must(t, db.SetPasswordPolicy(ctx, p))
		must(t, db.SetPasswordPolicy(ctx, p))
		got, err := db.PasswordPolicy(ctx)
		must(t, err)
		same(t, "policy", got, p)
	}
}

func eventsNewestFirst(t *testing.T, db *store.DB) {
	ctx := t.Context()
	var want []store.Event
	for _, action := range []string{"a", "b", "c"} {
		ev := store.Event{
			Time: Noon, Actor: "usr_1", OrganizationID: "org_1", ApplicationUID: Application, Action: action,
			Target: "x", IP: "192.0.2.1", RequestID: "r", Outcome: "refused", Reason: "why",
		}
		must(t, db.Record(ctx, ev))
		want = append([]store.Event{ev}, want...)
	}
	got, err := db.Events(ctx, 2)
	must(t, err)
	same(t, "two events", told(got), want[:2])
}
