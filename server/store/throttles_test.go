package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// Whoever tries many names pushes out nothing but what counted once.
func TestTheLightestThrottlesGoWhenThereAreTooMany(t *testing.T) {
	db := open(t, t.TempDir())
	keep := func(name string, count int64) {
		key := []store.ThrottleKey{{Hash: []byte(name)}}
		err := db.ChangeThrottles(t.Context(), key, func(found []store.Throttle) bool {
			found[0] = store.Throttle{Count: count, At: storetest.Noon, Until: storetest.Noon.Add(time.Hour)}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	keep("victim", 50)
	for i := range 30 {
		keep(fmt.Sprint("sprayed ", i), 1)
	}
	for {
		gone, err := db.SweepThrottles(t.Context(), storetest.Noon, 10)
		if err != nil {
			t.Fatal(err)
		}
		if gone == 0 {
			break
		}
	}
	kept := 0
	for i := range 30 {
		found, err := db.Throttles(t.Context(), []store.ThrottleKey{{Hash: []byte(fmt.Sprint("sprayed ", i))}, {Hash: []byte("victim")}})
		if err != nil || found[1].Count != 50 {
			t.Fatalf("the victim's count is %d, %v", found[1].Count, err)
		}
		kept += int(found[0].Count)
	}
	if kept != 9 {
		t.Errorf("%d others are kept, want 9", kept)
	}
}
