package controllers

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// pauseMost bounds how long a change may be held up.
const pauseMost = 200 * time.Millisecond

// spacing spaces what comes again at once: between two ends as much time passes as the first
// took. A change that comes alone is not held up, and of a thousand at once more are judged
// together, so that judging leaves the other half of the time to what is judged: the API
// server that takes the changes and the statuses.
type spacing struct{ until time.Time }

// wait returns when it is time, or when ctx ends.
func (p *spacing) wait(ctx context.Context, c clock.Clock) {
	if pause := p.until.Sub(c.Now()); pause > 0 {
		select {
		case <-ctx.Done():
		case <-c.After(pause):
		}
	}
}

// ended notes how long something took that began then.
func (p *spacing) ended(c clock.Clock, began time.Time) {
	now := c.Now()
	p.until = now.Add(min(now.Sub(began), pauseMost))
}
