package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// Whoever is signed in by a provider elsewhere stays so after that provider has forgotten
// them, until somebody asks it. It is asked when a session or a refresh token is used, once
// in a while, and never while a request waits: what it answers counts from the next one on.

const (
	// recheckEvery is how long what a provider knew of an account is taken as it was.
	recheckEvery = time.Hour
	// recheckPatience is how long one answer may take.
	recheckPatience = 15 * time.Second
	// rechecksWaiting is how many may wait; who finds no place is asked about at another use.
	rechecksWaiting = 1024
	// rechecksAtOnce is how many providers are asked at the same time: one that hangs keeps
	// the others up only so far.
	rechecksAtOnce = 4
)

// renewalPurpose is what a Renewal is sealed for: of one identity, and no other.
func renewalPurpose(providerUID, subject string) string {
	return "renewal of " + providerUID + " " + subject
}

// recheck is somebody whom a provider may have forgotten.
type recheck struct{ userID, providerUID string }

// rechecks are those that wait.
type rechecks struct {
	ask   func(context.Context, recheck)
	queue chan recheck

	mu    sync.Mutex
	asked map[recheck]time.Time // when it was queued last
}

func newRechecks(ask func(context.Context, recheck)) *rechecks {
	return &rechecks{ask: ask, queue: make(chan recheck, rechecksWaiting), asked: map[recheck]time.Time{}}
}

// want queues one, unless that was done a while ago.
func (c *rechecks) want(now time.Time, one recheck) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.asked[one]) < recheckEvery/4 {
		return
	}
	if len(c.asked) >= 100*rechecksWaiting { // they can be asked about again
		clear(c.asked)
	}
	select {
	case c.queue <- one:
		c.asked[one] = now
	default:
	}
}

// run asks until ctx ends.
func (c *rechecks) run(ctx context.Context) {
	var all sync.WaitGroup
	for range rechecksAtOnce {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case one := <-c.queue:
					c.ask(ctx, one)
				}
			}
		})
	}
	all.Wait()
}

// usedBy notes that a session was used.
func (s *Server) usedBy(r *request, session *sessions.Session) {
	for _, in := range session.SignIns() {
		s.wantRecheck(r.now, session.UserID, in.ProviderUID)
	}
}

// wantRecheck queues a question to a provider that can be asked.
func (s *Server) wantRecheck(now time.Time, userID, providerUID string) {
	if _, ok := s.backend(providerUID).(upstream.Rechecker); ok {
		s.rechecks.want(now, recheck{userID, providerUID})
	}
}

// recheck asks a provider about somebody.
func (s *Server) recheck(ctx context.Context, one recheck) {
	if err := s.recheckNow(ctx, one); err != nil && ctx.Err() == nil {
		s.Log.Error("ask a provider about a person again", "provider", one.providerUID, "person", one.userID, "error", err)
	}
}

func (s *Server) recheckNow(ctx context.Context, one recheck) error {
	w := s.world.Load()
	p, now := w.Provider(one.providerUID), s.Now()
	b, ok := s.backend(one.providerUID).(upstream.Rechecker)
	if p == nil || !ok {
		return nil
	}
	u, err := s.Store.User(ctx, one.userID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the person: %w", err)
	}
	for _, i := range u.Identities {
		if i.ProviderUID != p.UID || now.Sub(i.CheckedAt) < recheckEvery {
			continue
		}
		if err := s.recheckIdentity(ctx, now, p, b, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) recheckIdentity(ctx context.Context, now time.Time, p *model.Provider, b upstream.Rechecker, i store.Identity) error {
	renewal, err := s.openRenewal(ctx, i)
	if err != nil || renewal == nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, recheckPatience)
	defer cancel()
	proof, err := b.Recheck(patience, now, i.Subject, renewal)
	if proof.Renewal != nil {
		renewal = proof.Renewal // the one before may be worth nothing now
	}
	switch {
	case errors.Is(err, upstream.ErrGone):
		return s.lose(ctx, now, p, i, "the provider does not know the account any more")
	case err != nil:
		s.Log.Warn("a provider could not be asked about a person again", "provider", p.Namespace+"/"+p.Name, "error", err)
		return s.keepRenewal(ctx, i, renewal, proof.Renewal != nil)
	}
	profile, err := p.Mapping.Apply(proof.Claims)
	if errors.Is(err, mapping.ErrRequired) {
		return s.lose(ctx, now, p, i, "the mapping requires something else")
	}
	if err != nil || profile.Subject != i.Subject {
		s.Log.Warn("what a provider says of a person again cannot be used", "provider", p.Namespace+"/"+p.Name, "error", err)
		return s.keepRenewal(ctx, i, renewal, proof.Renewal != nil)
	}
	return s.keepChecked(ctx, now, p, i, profile, renewal)
}

// openRenewal is what the provider is asked with; nil: there is nothing.
func (s *Server) openRenewal(ctx context.Context, i store.Identity) ([]byte, error) {
	box, err := s.Store.Renewal(ctx, i.ProviderUID, i.Subject)
	if errors.Is(err, store.ErrNotFound) || err == nil && len(box) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what a provider is asked with: %w", err)
	}
	var renewal []byte
	if !s.sealed.Open(renewalPurpose(i.ProviderUID, i.Subject), string(box), &renewal) {
		return nil, nil // sealed by keys that are gone: the next sign-in brings another
	}
	return renewal, nil
}

// sealRenewal is nil for nothing.
func (s *Server) sealRenewal(providerUID, subject string, renewal []byte) ([]byte, error) {
	if renewal == nil {
		return nil, nil
	}
	box, err := s.sealed.Seal(renewalPurpose(providerUID, subject), renewal)
	return []byte(box), err
}

// lose takes from somebody what rested on a provider that does not know them any more.
func (s *Server) lose(ctx context.Context, now time.Time, p *model.Provider, i store.Identity, why string) error {
	ev := store.Event{
		Time: now, Actor: "gatehouse", OrganizationID: p.OrganizationID, Action: "identity.lost", Target: i.UserID, Outcome: "ok",
		Reason: why + " (" + p.Namespace + "/" + p.Name + ")",
	}
	err := s.Store.LoseIdentity(ctx, i.UserID, i.ProviderUID, i.Subject, ev)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end what rested on a provider: %w", err)
	}
	return nil
}

// keepChecked keeps what the provider says now. The person was not there: it is no use of
// the identity, and makes nobody a member who was removed since.
func (s *Server) keepChecked(ctx context.Context, now time.Time, p *model.Provider, i store.Identity, said mapping.Profile, renewal []byte) error {
	box, err := s.sealRenewal(i.ProviderUID, i.Subject, renewal)
	if err != nil {
		return err
	}
	next := i
	next.Email, next.EmailProvenAt, next.Name = said.Email, time.Time{}, said.Name
	if said.EmailVerified {
		next.EmailProvenAt = now
	}
	next.Groups, next.GroupsAt, next.CheckedAt, next.Renewal = said.Groups, now, now, box
	changed := next.Email != i.Email || next.Name != i.Name || !slices.Equal(next.Groups, i.Groups)
	ev := store.Event{
		Time: now, Actor: "gatehouse", OrganizationID: p.OrganizationID, Action: "identity.checked", Target: i.UserID, Outcome: "ok",
		Reason: p.Namespace + "/" + p.Name,
	}
	if changed {
		ev.Action = "identity.updated"
	}
	err = s.Store.UpdateIdentity(ctx, next, nil, ev)
	if errors.Is(err, store.ErrNotFound) {
		return nil // disconnected or disabled meanwhile
	}
	if err != nil {
		return fmt.Errorf("keep what a provider says: %w", err)
	}
	return nil
}

// keepRenewal keeps what the provider is to be asked with next, where that is something
// else; what it said before stays as it was.
func (s *Server) keepRenewal(ctx context.Context, i store.Identity, renewal []byte, changed bool) error {
	if !changed {
		return nil
	}
	box, err := s.sealRenewal(i.ProviderUID, i.Subject, renewal)
	if err != nil {
		return err
	}
	if err := s.Store.SetRenewal(ctx, i.ProviderUID, i.Subject, box); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("keep what a provider is asked with: %w", err)
	}
	return nil
}
