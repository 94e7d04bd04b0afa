package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// callers is the concurrency that the budgets are stated for.
const callers = 16

// measure calls act b.N times in all, from 16 callers, and reports the CPU time of an
// operation and how many were durable in a second.
func measure(b *testing.B, act func(caller, i int) error) {
	var next atomic.Int64
	var done sync.WaitGroup
	before := cpu(b)
	b.ResetTimer()
	for caller := range callers {
		done.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := act(caller, int(i-1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	done.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkCreateDeviceCode(b *testing.B) {
	db := open(b, b.TempDir())
	codes := make([]store.DeviceCode, b.N)
	for i := range codes {
		codes[i] = storetest.Pending()
	}
	measure(b, func(_, i int) error { return db.CreateDeviceCode(b.Context(), codes[i]) })
}

func BenchmarkRotateGrant(b *testing.B) {
	db := open(b, b.TempDir())
	u := storetest.Person(b, db)
	var grants [callers]store.Grant
	for i := range grants {
		grants[i] = storetest.Granted(b, db, u, storetest.GrantOf(u))
	}
	var from [callers]int64
	measure(b, func(caller, _ int) error {
		from[caller]++
		return db.RotateGrant(b.Context(), grants[caller].ID, from[caller], storetest.Noon, storetest.Noon.Add(time.Hour),
			storetest.Act("grant.rotated"))
	})
}

func BenchmarkConsumeDeviceCode(b *testing.B) {
	db := open(b, b.TempDir())
	u := storetest.Person(b, db)
	codes := make([]store.DeviceCode, b.N)
	var next atomic.Int64
	var made sync.WaitGroup
	for range callers {
		made.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				codes[i-1] = storetest.Approved(b, db, u)
			}
		})
	}
	made.Wait()
	measure(b, func(_, i int) error {
		return db.ConsumeDeviceCode(b.Context(), codes[i].Hash, storetest.Application, storetest.Noon, storetest.GrantOf(u),
			storetest.Act("grant.created"))
	})
}

// BenchmarkRecord is the durable commit of a single row, to compare the others with.
func BenchmarkRecord(b *testing.B) {
	db := open(b, b.TempDir())
	measure(b, func(int, int) error { return db.Record(b.Context(), storetest.Act("nothing")) })
}

func BenchmarkCachedGrant(b *testing.B) {
	db := open(b, b.TempDir())
	u := storetest.Person(b, db)
	g := storetest.Granted(b, db, u, storetest.GrantOf(u))
	c := store.NewCacheAt(db, func() time.Time { return storetest.Noon })
	if err := c.Poll(b.Context()); err != nil {
		b.Fatal(err)
	}
	measure(b, func(int, int) error { _, err := c.Grant(context.Background(), g.ID); return err })
}

func BenchmarkReadGrant(b *testing.B) {
	db := open(b, b.TempDir())
	u := storetest.Person(b, db)
	g := storetest.Granted(b, db, u, storetest.GrantOf(u))
	measure(b, func(int, int) error { _, err := db.Grant(b.Context(), g.ID); return err })
}
