package server

import (
	"context"
	"sync"
	"time"
)

const (
	// mostErrands bounds what is done after an answer.
	mostErrands = 64
	// errandFor bounds how long one may take.
	errandFor = 30 * time.Second
)

// errands are what is done after an answer, so that the time of the answer tells nothing of
// it: whether there is an account, above all.
type errands struct {
	bound bound
	open  sync.WaitGroup
}

func newErrands() *errands { return &errands{bound: bound{most: mostErrands}} }

// run does an errand in its own time; false: there are too many.
func (e *errands) run(ctx context.Context, do func(context.Context)) bool {
	if !e.bound.enter() {
		return false
	}
	e.open.Go(func() {
		defer e.bound.leave()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandFor)
		defer cancel()
		do(ctx)
	})
	return true
}

// wait returns when all are done.
func (e *errands) wait() { e.open.Wait() }
