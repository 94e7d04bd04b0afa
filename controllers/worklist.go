package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// worklist are the objects that a writer has still to look at, and those who do: only while
// this replica leads. An object is looked at by one worker at a time.
type worklist struct {
	clock   clock.WithTicker
	workers int
	// After a failure an object is looked at again first after `soonest`, at last after `latest`.
	soonest, latest time.Duration

	mu    sync.Mutex
	queue workqueue.TypedRateLimitingInterface[model.ObjectID] // nil while not leading
}

// add has an object looked at soon. While this replica does not lead nothing is noted: lead
// begins with everything.
func (l *worklist) add(id model.ObjectID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue != nil {
		l.queue.Add(id)
	}
}

// lead works until ctx ends, and begins with everything: another leader may have left it
// undone. What work returns is when to look at the object again, zero for when it is added.
func (l *worklist) lead(ctx context.Context, everything func() []model.ObjectID, work func(context.Context, model.ObjectID) (time.Duration, error)) {
	q := workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[model.ObjectID](l.soonest, l.latest),
		workqueue.TypedRateLimitingQueueConfig[model.ObjectID]{Clock: l.clock})
	l.open(q) // before everything is read: what is added from now on is not lost
	for _, id := range everything() {
		q.Add(id)
	}
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			for id, down := q.Get(); !down; id, down = q.Get() {
				again, err := work(ctx, id)
				switch {
				case ctx.Err() != nil:
				case err != nil:
					q.AddRateLimited(id)
				default:
					q.Forget(id)
					if again > 0 {
						q.AddAfter(id, again)
					}
				}
				q.Done(id)
			}
		})
	}
	<-ctx.Done()
	l.open(nil)
	q.ShutDown()
	workers.Wait()
}

func (l *worklist) open(q workqueue.TypedRateLimitingInterface[model.ObjectID]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = q
}
