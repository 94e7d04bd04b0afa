package upstream

import (
	"context"
	"sync"
	"time"
)

// samlSettings keeps the metadata of one provider, declared or fetched: by the prober on its
// schedule, which is sooner than any cacheDuration that counts, and at once for a key that is
// not known. The last that was good stays in use until its own end (validUntil, and that of
// its certificates): an outage of the host that publishes it is none of the sign-in. It is
// safe for concurrent use.
type samlSettings struct {
	fetch func(context.Context) ([]byte, error) // nil: it is declared

	settings, unknownKey shared

	mu   sync.RWMutex
	good *samlMetadata // nil: none was read
}

// now is what counts. ErrUnavailable.
func (s *samlSettings) now(ctx context.Context, now time.Time) (*samlMetadata, error) {
	m := s.known()
	if m != nil && !m.over(now) {
		return m, nil
	}
	if s.fetch == nil {
		return nil, unavailable(errSAMLDeclaredOver)
	}
	err := s.settings.do(ctx, now, askPause, s.renew(now))
	if m = s.known(); m != nil && !m.over(now) {
		return m, nil
	}
	if err == nil {
		err = errSAMLOver
	}
	return nil, unavailable(err)
}

// newer is what the provider says now, for a key that was not in what was used; false: it
// says nothing else. Whoever signs by a key of their own has us ask once in keysPause.
func (s *samlSettings) newer(ctx context.Context, now time.Time, used *samlMetadata) (*samlMetadata, bool) {
	if s.fetch == nil {
		return nil, false
	}
	err := s.unknownKey.do(ctx, now, keysPause, s.renew(now))
	m := s.known()
	return m, err == nil && m != used && !m.over(now)
}

// probe takes what the provider says now.
func (s *samlSettings) probe(ctx context.Context, now time.Time) error {
	if s.fetch != nil {
		return s.settings.do(ctx, now, 0, s.renew(now))
	}
	m := s.known()
	if m.over(now) {
		return errSAMLDeclaredOver
	}
	return m.usable(now)
}

var (
	errSAMLOver         = wrongSettings("its metadata ended (validUntil), and there is none that is newer")
	errSAMLDeclaredOver = wrongSettings("saml.metadata ended (validUntil): declare the new one")
)

// renew fetches, and keeps what came if somebody could sign in by it.
func (s *samlSettings) renew(now time.Time) func(context.Context) error {
	return func(ctx context.Context) error {
		raw, err := s.fetch(ctx)
		if err != nil {
			return err
		}
		m, err := parseSAMLMetadata(raw)
		switch {
		case err != nil:
			return wrongSettings("metadata: %s", err)
		case m.over(now):
			return errSAMLOver
		}
		if err := m.usable(now); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.good = m
		return nil
	}
}

// usable reports metadata by which nobody could sign in.
func (m *samlMetadata) usable(now time.Time) error {
	if ends := m.ends(); now.After(ends) {
		return wrongSettings("metadata: the last certificate for signing ended at %s", ends.UTC().Format(time.RFC3339))
	}
	return nil
}

// known is what was read last, nil if nothing was.
func (s *samlSettings) known() *samlMetadata {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.good
}
