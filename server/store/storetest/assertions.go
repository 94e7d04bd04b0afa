package storetest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func assertionIsUsedOnce(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.UseAssertion(ctx, []byte("one"), Noon))
	wantErr(t, "again", db.UseAssertion(ctx, []byte("one"), Noon.Add(time.Hour)), store.ErrConflict)
	must(t, db.UseAssertion(ctx, []byte("other"), Noon))
}

func sweepTakesAssertions(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.UseAssertion(ctx, []byte("one"), Noon))
	n, err := db.Sweep(ctx, Noon.Add(-time.Millisecond))
	must(t, err)
	same(t, "rows swept before its end", n, 0)
	wantErr(t, "until its end", db.UseAssertion(ctx, []byte("one"), Noon), store.ErrConflict)
	n, err = db.Sweep(ctx, Noon)
	must(t, err)
	same(t, "rows swept at its end", n, 1)
}

func assertionUsedElsewhere(t *testing.T, open Open) {
	place := t.TempDir()
	replicas := [...]*store.DB{open(t, place), open(t, place)}
	var next atomic.Int64
	won := together(t, 50, func() error {
		return replicas[next.Add(1)%2].UseAssertion(t.Context(), []byte("one"), Noon)
	})
	same(t, "uses", won, 1)
}
