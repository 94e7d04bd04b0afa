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
	each(b, func(i int) { codes[i] = storetest.Approved(b, db, u) })
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

// codesOf makes an account and b.N codes, each approved in a session of its own.
func codesOf(b *testing.B, db *store.DB) []store.AuthorizationCode {
	u := storetest.Person(b, db)
	codes := make([]store.AuthorizationCode, b.N)
	each(b, func(i int) { codes[i] = storetest.CodeOf(storetest.SignedIn(b, db, u)) })
	return codes
}

// each calls do b.N times, from 16 callers.
func each(b *testing.B, do func(i int)) {
	var next atomic.Int64
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				do(int(i - 1))
			}
		})
	}
	done.Wait()
}

func BenchmarkCreateAuthorizationCode(b *testing.B) {
	db := open(b, b.TempDir())
	codes := codesOf(b, db)
	measure(b, func(_, i int) error {
		return db.CreateAuthorizationCode(b.Context(), codes[i], nil, storetest.Act("code.created"))
	})
}

func BenchmarkRedeemAuthorizationCode(b *testing.B) {
	db := open(b, b.TempDir())
	codes := codesOf(b, db)
	each(b, func(i int) {
		if err := db.CreateAuthorizationCode(b.Context(), codes[i], nil, storetest.Act("code.created")); err != nil {
			b.Error(err)
		}
	})
	measure(b, func(_, i int) error {
		c := codes[i]
		return db.RedeemAuthorizationCode(b.Context(), c.Hash, storetest.Application, storetest.Noon,
			storetest.GrantOf(store.User{ID: c.UserID}), storetest.Act("grant.created"))
	})
}

func BenchmarkReadAuthorizationCode(b *testing.B) {
	db := open(b, b.TempDir())
	c := storetest.Coded(b, db, storetest.SignedIn(b, db, storetest.Person(b, db)))
	measure(b, func(int, int) error { _, err := db.AuthorizationCode(b.Context(), c.Hash); return err })
}

func BenchmarkReadConsent(b *testing.B) {
	db := open(b, b.TempDir())
	c := storetest.CodeOf(storetest.SignedIn(b, db, storetest.Person(b, db)))
	remember := storetest.ConsentOf(c)
	if err := db.CreateAuthorizationCode(b.Context(), c, &remember, storetest.Act("code.created")); err != nil {
		b.Fatal(err)
	}
	measure(b, func(int, int) error {
		_, err := db.Consent(b.Context(), c.UserID, c.ApplicationUID, c.OrganizationID)
		return err
	})
}

func BenchmarkReadSession(b *testing.B) {
	db := open(b, b.TempDir())
	s := storetest.SignedIn(b, db, storetest.Person(b, db))
	measure(b, func(int, int) error { _, err := db.Session(b.Context(), s.Hash); return err })
}
