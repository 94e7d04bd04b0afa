package controllers

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestWhatComesAgainAtOnceWaitsAsLongAsItTookBefore(t *testing.T) {
	c := clocktesting.NewFakeClock(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
	var p spacing
	p.wait(t.Context(), c) // the first does not
	took := func(d time.Duration) {
		began := c.Now()
		c.Step(d)
		p.ended(c, began)
	}
	waits := func() time.Duration {
		began, done := c.Now(), make(chan struct{})
		go func() {
			defer close(done)
			p.wait(t.Context(), c)
		}()
		for {
			select {
			case <-done:
				return c.Since(began)
			default:
				if c.HasWaiters() {
					c.Step(time.Millisecond)
				}
			}
		}
	}
	if took(7 * time.Millisecond); waits() != 7*time.Millisecond {
		t.Error("it did not wait as long as it took")
	}
	if took(time.Minute); waits() != pauseMost {
		t.Error("it did not wait as long as it may")
	}
	took(7 * time.Millisecond)
	if c.Step(8 * time.Millisecond); waits() != 0 {
		t.Error("what came alone was held up")
	}
}
