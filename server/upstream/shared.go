package upstream

import (
	"context"
	"errors"
	"sync"
	"time"
)

// shared is a fetch that many wait for and one does. Whoever hangs up keeps nobody else
// from what comes, and no lock is held while it is under way.
type shared struct {
	mu      sync.Mutex
	running chan struct{} // closed when it is done; nil: nobody fetches
	tried   time.Time
	err     error // of the last one
}

// errFault: reading an answer ended in a way that it never should.
var errFault = errors.New("the answer could not be read")

// do waits for the fetch that runs, or begins one, unless the last one was less than pause
// ago: then it is as that one ended.
func (s *shared) do(ctx context.Context, now time.Time, pause time.Duration, fetch func(context.Context) error) error {
	s.mu.Lock()
	running := s.running
	if running == nil {
		if !s.tried.IsZero() && now.Sub(s.tried) < pause {
			defer s.mu.Unlock()
			return s.err
		}
		running = make(chan struct{})
		s.running, s.tried = running, now
		go s.run(context.WithoutCancel(ctx), running, fetch)
	}
	s.mu.Unlock()
	select {
	case <-running:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *shared) run(ctx context.Context, done chan struct{}, fetch func(context.Context) error) {
	err := errFault
	defer func() {
		_ = recover() // what others wrote is read there: nothing in it ends this process
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err, s.running = err, nil
		close(done)
	}()
	err = fetch(ctx)
}
