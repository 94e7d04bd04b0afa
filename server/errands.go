package server

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// mostErrands bounds what is done after an answer.
	mostErrands = 1024
	// errandFor bounds how long one may take.
	errandFor = 30 * time.Second
	// errandWithin is when an errand begins after the answer, at a time that nobody can tell:
	// else whoever asks twice would learn from the second answer, which waits for the same
	// processor and disk, what the first had to do.
	errandWithin = 3 * time.Second
)

// errands are what is done after an answer, so that the time of the answer tells nothing of
// it: whether there is an account, above all.
type errands struct {
	bound  bound
	within time.Duration
	open   sync.WaitGroup
}

func newErrands() *errands { return &errands{bound: bound{most: mostErrands}, within: errandWithin} }

// run does an errand in its own time; false: there are too many.
func (e *errands) run(ctx context.Context, do func(context.Context)) bool {
	if !e.bound.enter() {
		return false
	}
	e.open.Go(func() {
		defer e.bound.leave()
		if e.within > 0 {
			time.Sleep(rand.N(e.within)) //nolint:gosec // it is no secret, only hard to tell
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandFor)
		defer cancel()
		do(ctx)
	})
	return true
}

// wait returns when all are done.
func (e *errands) wait() { e.open.Wait() }
