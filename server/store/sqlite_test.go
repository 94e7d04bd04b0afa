package store_test

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

func open(t testing.TB, place string, opts ...store.Option) *store.DB {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(place, "data", "gatehouse.db"), opts...)
	if err != nil {
		t.Error(err)
		panic("no store") // also right outside the test's goroutine
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB, place string) *store.DB { return open(t, place) })
}

func TestSQLiteWithOneReadConnection(t *testing.T) {
	storetest.Run(t, func(t testing.TB, place string) *store.DB { return open(t, place, store.ReadConnections(1)) })
}
