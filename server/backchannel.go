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
	// tellAtOnce is how many are told at the same time: one that is slow holds up no other.
	tellAtOnce = 8
	// tellTries is how often an application is tried; the waits double from tellAgain on.
	tellTries = 10
	tellAgain = 5 * time.Second
	// logoutTokenLife is how long a logout token may be believed (section 2.4 recommends two
	// minutes at most).
	logoutTokenLife = 2 * time.Minute
)

// backChannel tells applications of sign-outs.
type backChannel struct {
	to    *outbound.Client
	slots chan struct{}
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
	due, err := s.Store.LogoutsDue(ctx, s.Now(), tellAtOnce)
	if err != nil {
		return err
	}
	for _, l := range due {
		select {
		case s.backChannel.slots <- struct{}{}:
		default:
			return nil
		}
		// Claimed before it is told: nobody else tells it meanwhile, nor this process.
		err := s.Store.ClaimLogout(ctx, l, s.Now().Add(tellAgain<<l.Tries))
		if err != nil {
			<-s.backChannel.slots
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			return err
		}
		telling.Go(func() {
			defer func() { <-s.backChannel.slots }()
			if err := s.tellOne(ctx, l); err != nil && ctx.Err() == nil {
				s.Log.Error("tell of a sign-out", "error", err)
			}
		})
	}
	return nil
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
