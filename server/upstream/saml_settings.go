package upstream

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// When a provider's metadata is fetched.
const (
	// samlFresh is after how long it is fetched again, unless its cacheDuration says
	// otherwise; that counts between samlSoonest and samlLatest.
	samlFresh   = time.Hour
	samlSoonest = 5 * time.Minute
	samlLatest  = 24 * time.Hour
	// samlPause is between two tries, whatever is asked for: whoever posts responses with
	// signatures of their own does not make us knock on somebody's door.
	samlPause = time.Minute
)

// samlSettings keeps the metadata of one provider, declared or fetched. The last that was
// good stays in use until its own end: an outage of the host that publishes it is none of
// the sign-in. It is safe for concurrent use.
type samlSettings struct {
	fetch func(context.Context) ([]byte, error) // nil: it is declared

	mu     sync.Mutex
	good   *samlMetadata // nil: none was read
	read   time.Time
	tried  time.Time
	asking bool
}

// now returns what counts; ErrUnavailable if there is nothing. When it is old, one request
// asks for newer and waits; all others go on with what is known.
func (s *samlSettings) now(ctx context.Context, now time.Time) (*samlMetadata, error) {
	if s.begin(now, false) {
		_ = s.end(ctx, now) // the prober tells
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.good == nil:
		return nil, fmt.Errorf("its metadata was not read yet: %w", ErrUnavailable)
	case s.good.over(now):
		return nil, fmt.Errorf("its metadata ended (validUntil) and there is none that is newer: %w", ErrUnavailable)
	}
	return s.good, nil
}

// newer asks for newer metadata than what was just used, for a key that is not in it, and
// reports whether there is another one to try.
func (s *samlSettings) newer(ctx context.Context, now time.Time, used *samlMetadata) (*samlMetadata, bool) {
	if s.begin(now, true) {
		_ = s.end(ctx, now)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good, s.good != nil && s.good != used && !s.good.over(now)
}

// probe fetches, whether or not it is time.
func (s *samlSettings) probe(ctx context.Context, now time.Time) error {
	if s.fetch != nil {
		s.mu.Lock()
		s.asking, s.tried = true, now
		s.mu.Unlock()
		return s.end(ctx, now)
	}
	if s.good.over(now) {
		return fmt.Errorf("its metadata ended (validUntil): declare the new one: %w", ErrUnavailable)
	}
	return s.good.usable(now)
}

// begin reports whether the caller is to fetch.
func (s *samlSettings) begin(now time.Time, must bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := must || s.good == nil || now.Sub(s.read) >= s.good.refresh() || s.good.over(now)
	if s.fetch == nil || !due || s.asking || now.Sub(s.tried) < samlPause {
		return false
	}
	s.asking, s.tried = true, now
	return true
}

// end fetches and keeps what came if it can be used. Whoever hangs up does not keep
// everybody else from it.
func (s *samlSettings) end(ctx context.Context, now time.Time) error {
	var fresh *samlMetadata
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asking = false
		if fresh != nil {
			s.good, s.read = fresh, now
		}
	}()
	raw, err := s.fetch(context.WithoutCancel(ctx))
	if err != nil {
		return fmt.Errorf("its metadata: %w: %w", err, ErrUnavailable)
	}
	m, err := parseSAMLMetadata(raw)
	switch {
	case err != nil:
		return fmt.Errorf("its metadata: %w: %w", err, ErrUnavailable)
	case m.over(now):
		return fmt.Errorf("its metadata ended (validUntil) before it was fetched: %w", ErrUnavailable)
	}
	if err := m.usable(now); err != nil {
		return err
	}
	fresh = m
	return nil
}

// usable reports metadata by which nobody could sign in.
func (m *samlMetadata) usable(now time.Time) error {
	if ends := m.ends(); now.After(ends) {
		return fmt.Errorf("its metadata: the last certificate for signing ended at %s: %w", ends.UTC().Format(time.RFC3339), ErrUnavailable)
	}
	return nil
}

func (m *samlMetadata) refresh() time.Duration {
	if m.cache == 0 {
		return samlFresh
	}
	return min(max(m.cache, samlSoonest), samlLatest)
}

// known is what was read last, nil if nothing was.
func (s *samlSettings) known() *samlMetadata {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good
}
