package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func throttleKeys(account string, names ...string) (keys []store.ThrottleKey) {
	for _, name := range names {
		keys = append(keys, store.ThrottleKey{Hash: []byte("hash of " + name), Account: []byte(account)})
	}
	return keys
}

func throttlesChange(t *testing.T, db *store.DB) {
	keys := throttleKeys("ann", "one", "two")
	must(t, db.ChangeThrottles(t.Context(), keys, func(found []store.Throttle) bool {
		same(t, "to begin with", found, make([]store.Throttle, 2))
		found[0] = store.Throttle{Count: 3, At: Noon, Until: Noon.Add(time.Hour)}
		found[1] = store.Throttle{Count: 1, At: Noon.Add(time.Second), Until: Noon.Add(time.Hour)}
		return true
	}))
	must(t, db.ChangeThrottles(t.Context(), keys, func(found []store.Throttle) bool {
		found[0].Count = 99
		return false
	}))
	got, err := db.Throttles(t.Context(), keys)
	must(t, err)
	same(t, "kept", got, []store.Throttle{
		{Count: 3, At: Noon, Until: Noon.Add(time.Hour)}, {Count: 1, At: Noon.Add(time.Second), Until: Noon.Add(time.Hour)},
	})
	must(t, db.ChangeThrottles(t.Context(), keys[:1], func(found []store.Throttle) bool { found[0] = store.Throttle{}; return true }))
	got, err = db.Throttles(t.Context(), keys)
	must(t, err)
	same(t, "without the first", got[0], store.Throttle{})
	same(t, "the second", got[1].Count, int64(1))
}

// try counts one, unless there are five.
func try(t *testing.T, db *store.DB, counted *atomic.Int64) {
	err := db.ChangeThrottles(t.Context(), throttleKeys("ann", "tries"), func(found []store.Throttle) bool {
		if found[0].Count >= 5 {
			return false
		}
		found[0].Count++
		found[0].Until = Noon
		counted.Add(1)
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

func manyTries(t *testing.T, db *store.DB) {
	var counted atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { try(t, db, &counted) })
	}
	all.Wait()
	same(t, "tries", counted.Load(), int64(5))
}

func triesElsewhere(t *testing.T, open Open) {
	place := t.TempDir()
	replicas := []*store.DB{open(t, place), open(t, place)}
	var counted atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { try(t, replicas[i%2], &counted) })
	}
	all.Wait()
	same(t, "tries", counted.Load(), int64(5))
}

func unlocking(t *testing.T, db *store.DB) {
	keep := func(keys []store.ThrottleKey) {
		must(t, db.ChangeThrottles(t.Context(), keys, func(found []store.Throttle) bool {
			for i := range found {
				found[i] = store.Throttle{Count: 9, At: Noon, Until: Noon.Add(time.Hour)}
			}
			return true
		}))
	}
	ann, bob, mark := throttleKeys("ann", "one", "two"), throttleKeys("bob", "three"), store.ThrottleKey{Hash: []byte("mark")}
	keep(ann)
	keep(bob)
	must(t, db.Unlock(t.Context(), [][]byte{[]byte("ann")}, []store.ThrottleKey{mark}, Act("user.unlocked")))
	got, err := db.Throttles(t.Context(), append(append(ann, bob...), mark))
	must(t, err)
	for i, want := range []int64{0, 0, 9, 1} {
		same(t, fmt.Sprint("count ", i), got[i].Count, want)
	}
	same(t, "since when", got[3].At, Act("").Time)
	same(t, "events", events(t, db), 1)
}

func sweepTakesThrottles(t *testing.T, db *store.DB) {
	for i, until := range []time.Time{Noon, Noon.Add(time.Hour)} {
		must(t, db.ChangeThrottles(t.Context(), throttleKeys("ann", fmt.Sprint(i)), func(found []store.Throttle) bool {
			found[0] = store.Throttle{Count: 1, At: Noon, Until: until}
			return true
		}))
	}
	_, err := db.Sweep(t.Context(), Noon)
	must(t, err)
	got, err := db.Throttles(t.Context(), throttleKeys("ann", "0", "1"))
	must(t, err)
	same(t, "what says nothing any more", got[0], store.Throttle{})
	same(t, "what does", got[1].Count, int64(1))
}

func placesEnd(t *testing.T, db *store.DB) {
	ann := []byte("ann")
	elsewhere := func(at time.Time, places ...string) bool {
		t.Helper()
		var hashes [][]byte
		for _, place := range places {
			hashes = append(hashes, []byte(place))
		}
		yes, err := db.KeepPlaces(t.Context(), ann, hashes, at)
		must(t, err)
		return yes
	}
	usual := func(at time.Time, place string) bool {
		t.Helper()
		yes, err := db.UsualPlace(t.Context(), []byte(place), at)
		must(t, err)
		return yes
	}
	same(t, "the first is elsewhere", elsewhere(Noon, "home", "laptop"), false)
	same(t, "another is elsewhere", elsewhere(Noon, "hotel", "phone"), true)
	same(t, "a known device in a new place is", elsewhere(Noon, "train", "laptop"), false)
	same(t, "home is usual", usual(Noon, "home"), true)
	same(t, "the moon is", usual(Noon, "moon"), false)
	last := Noon.Add(store.PlaceKept)
	same(t, "home is usual after its time", usual(last, "home"), false)
	for i := range 2 * store.MaxPlaces {
		elsewhere(last.Add(time.Duration(i)*time.Second), fmt.Sprint("place ", i))
	}
	same(t, "the oldest of too many is usual", usual(last, "place 0"), false)
	same(t, "the newest is", usual(last, fmt.Sprint("place ", 2*store.MaxPlaces-1)), true)
	_, err := db.Sweep(t.Context(), last.Add(2*store.PlaceKept))
	must(t, err)
	same(t, "after the sweep", usual(last, fmt.Sprint("place ", 2*store.MaxPlaces-1)), false)
}
