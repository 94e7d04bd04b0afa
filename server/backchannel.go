package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
)

// An application that declares a back-channel URI is told when a session ends in which
// somebody signed in there (OpenID Connect Back-Channel Logout 1.0). Whom to tell stands in
// the store from the same transaction on that ends the session, so nobody is forgotten by a
// restart. The application may be away: it is tried again, for an hour.

const (
	// tellEvery is how often the store is asked for who is to be told.
	tellEvery = 250 * time.Millisecond
	// tellAtOnce is how many are told at the same time, tellEach how many of one organization's
	// applications: whose are slow, or never answer, holds up nobody else's.
	tellAtOnce = 16
	tellEach   = 4
	// tellLook is how many that are due are looked at to find whom there is room for. If none
	// is left to look at, the others wait for tellBehind behind those that come later.
	tellLook   = 64
	tellBehind = time.Second
	// tellTries is how often an application is tried; the waits double from tellAgain on.
	tellTries = 10
	tellAgain = 5 * time.Second
	// logoutTokenLife is how long a logout token may be believed (section 2.4 recommends two
	// minutes at most).
	logoutTokenLife = 2 * time.Minute
)

// backChannel tells applications of sign-outs.
type backChannel struct {
	to *outbound.Client

	mu   sync.Mutex
	told map[string]int // under way, by the organization whose application it is
	all  int
}

// enter takes a place among those that are told at the same time; false: there is none for
// this organization.
func (b *backChannel) enter(owner string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= tellAtOnce || b.told[owner] >= tellEach {
		return false
	}
	b.all++
	b.told[owner]++
	return true
}

func (b *backChannel) leave(owner string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.told[owner]--; b.told[owner] == 0 {
		delete(b.told, owner)
	}
}

// tellSignOuts tells until ctx ends.
func (s *Server) tellSignOuts(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	var telling sync.WaitGroup
	defer telling.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.tellDue(ctx, &telling); err != nil && ctx.Err() == nil {
			s.Log.Error("find who is to be told of sign-outs", "error", err)
		}
	}
}

// tellDue begins to tell those that are due, as many as there is room for.
func (s *Server) tellDue(ctx context.Context, telling *sync.WaitGroup) error {
	world := s.world.Load()
	if world == nil { // nothing is known of any application yet
		return nil
	}
	due, err := s.Store.LogoutsDue(ctx, s.Now(), tellLook)
	if err != nil {
		return err
	}
	var noRoom []store.Logout
	for _, l := range due {
		owner := ownerOf(world, l)
		if !s.backChannel.enter(owner) {
			noRoom = append(noRoom, l)
			continue
		}
		// Claimed before it is told: nobody else tells it meanwhile, nor this process.
		err := s.Store.ClaimLogout(ctx, l, s.Now().Add(tellAgain<<l.Tries))
		if err != nil {
			s.backChannel.leave(owner)
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			return err
		}
		telling.Go(func() {
			defer s.backChannel.leave(owner)
			if err := s.tellOne(ctx, l); err != nil && ctx.Err() == nil {
				s.Log.Error("tell of a sign-out", "error", err)
			}
		})
	}
	if len(due) < tellLook || len(noRoom) == 0 {
		return nil
	}
	return s.Store.PostponeLogouts(ctx, noRoom, s.Now().Add(tellBehind))
}

// ownerOf is the organization whose application is to be told, which need not be the one that
// somebody signed in to; empty: there is nobody to tell.
func ownerOf(world *decide.World, l store.Logout) string {
	if org := world.Organization(l.OrganizationID); org != nil {
		if app := world.ApplicationIn(org, l.ApplicationUID); app != nil {
			if owner, _ := world.Application(app.ClientID); owner != nil {
				return owner.ID
			}
		}
	}
	return ""
}

// tellOne sends one logout token. Its error is a fault of ours; one of the application is
// logged, and tried again.
func (s *Server) tellOne(ctx context.Context, l store.Logout) error {
	world := s.world.Load()
	org := world.Organization(l.OrganizationID)
	if org == nil || org.Suspended {
		return s.Store.CloseLogout(ctx, l.ID, store.Event{})
	}
	app := world.ApplicationIn(org, l.ApplicationUID)
	if app == nil || app.BackChannelURI == "" {
		return s.Store.CloseLogout(ctx, l.ID, store.Event{})
	}
	now := s.Now()
	token, err := s.tokens.MintLogout(app.IDTokenAlg, &tokens.Logout{
		Subject: l.UserID, Audience: app.ClientID, SessionID: l.SessionID, ID: rand.Text(), IssuedAt: now, ExpiresAt: now.Add(logoutTokenLife),
	})
	if err != nil {
		return fmt.Errorf("mint logout token: %w", err)
	}
	reply, err := s.backChannel.to.Send(ctx, outbound.Ask{URL: app.BackChannelURI, Form: url.Values{"logout_token": {token}}})
	if err == nil && (reply.Status == http.StatusOK || reply.Status == http.StatusNoContent) {
		return s.Store.CloseLogout(ctx, l.ID, store.Event{})
	}
	if err == nil {
		err = fmt.Errorf("the answer is %d, not 200", reply.Status)
	}
	if ctx.Err() != nil { // this process ends; the next one tells
		return nil
	}
	s.Log.LogAttrs(ctx, slog.LevelWarn, "an application was not told of a sign-out",
		slog.String("application", app.ClientID), slog.Int("try", l.Tries+1), slog.Int("of", tellTries), slog.Any("error", err))
	if l.Tries+1 < tellTries {
		return nil
	}
	return s.Store.CloseLogout(ctx, l.ID, store.Event{
		Time: now, OrganizationID: l.OrganizationID, ApplicationUID: l.ApplicationUID, Action: "logout.undelivered",
		Target: l.SessionID, Outcome: "refused", Reason: "the application did not answer",
	})
}
