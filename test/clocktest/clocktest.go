// Package clocktest is the clock of tests that run whole controllers for days within seconds.
package clocktest

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// New is a clock that passes as time does, and that a test sets forward besides, until the
// test ends.
//
// One that only a test moves will not do for what runs beside it: who reads it and then waits
// for a moment waits for ever if it was set forward between the two, and so does whoever tries
// again in a second, or leaves others a pause.
func New(t testing.TB) *clocktesting.FakeClock {
	t.Helper()
	last := time.Now()
	c := clocktesting.NewFakeClock(last.Truncate(time.Second))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for {
			select {
			case <-stop:
				return
			case now := <-ticks.C:
				c.Step(now.Sub(last))
				last = now
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
	})
	return c
}
