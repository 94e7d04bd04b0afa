// Package audit tells somebody else what the audit log holds: as JSON lines on standard
// output, or posted to a webhook. The log in the store comes first; who follows it is told
// each event at least once and in order, and goes on where it was after a restart.
//
// Start reading at Follower; webhook.go is one that posts.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

const (
	// batch bounds what is told at once.
	batch = 100
	// lookEvery is how often the log is asked for more.
	lookEvery = time.Second
	// waitMost bounds the wait after a failure, which doubles from lookEvery.
	waitMost = time.Minute
)

// Event is an event as it is told. Empty fields are left out.
type Event struct {
	ID             int64     `json:"id"`
	Time           time.Time `json:"time"`
	Action         string    `json:"action"`
	Outcome        string    `json:"outcome"`
	Actor          string    `json:"actor,omitempty"`
	OrganizationID string    `json:"organizationId,omitempty"`
	ApplicationUID string    `json:"applicationUid,omitempty"`
	Target         string    `json:"target,omitempty"`
	IP             string    `json:"ip,omitempty"`
	RequestID      string    `json:"requestId,omitempty"`
	Reason         string    `json:"reason,omitempty"`
}

// Show is the event of the store as it is told.
func Show(ev store.Event) Event {
	return Event{
		ID: ev.ID, Time: ev.Time, Action: ev.Action, Outcome: ev.Outcome, Actor: ev.Actor, OrganizationID: ev.OrganizationID,
		ApplicationUID: ev.ApplicationUID, Target: ev.Target, IP: ev.IP, RequestID: ev.RequestID, Reason: ev.Reason,
	}
}

// Log is what a Follower needs of the store.
type Log interface {
	ReadTo(ctx context.Context, reader string) (int64, error)
	EventsAfter(ctx context.Context, id int64, limit int) ([]store.Event, error)
	HaveRead(ctx context.Context, reader string, from, to int64) error
}

// Teller tells events. It returns only once they have arrived.
type Teller interface {
	Tell(ctx context.Context, events []Event) error
}

// Follower tells what happens, under a name by which it is known after a restart.
type Follower struct {
	Name   string
	Log    Log
	Teller Teller
	Report *slog.Logger
}

// Run follows the log until ctx ends, and then returns nil.
func (f Follower) Run(ctx context.Context) error {
	wait := lookEvery
	failing := false
	for {
		told, err := f.step(ctx)
		switch {
		case err == nil && failing:
			f.Report.Info("audit events arrive again", "reader", f.Name)
			fallthrough
		case err == nil:
			failing, wait = false, lookEvery
		case ctx.Err() == nil:
			if !failing { // once; each try would say the same
				f.Report.Error("audit events do not arrive, trying again", "reader", f.Name, "error", err)
			}
			failing, wait = true, min(2*wait, waitMost)
		}
		if told == batch && err == nil {
			continue
		}
		look := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			look.Stop()
			return nil
		case <-look.C:
		}
	}
}

// step tells the next events, and reports how many there were.
func (f Follower) step(ctx context.Context) (int, error) {
	from, err := f.Log.ReadTo(ctx, f.Name)
	if err != nil {
		return 0, fmt.Errorf("find where to go on: %w", err)
	}
	found, err := f.Log.EventsAfter(ctx, from, batch)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	events := make([]Event, len(found))
	for i, ev := range found {
		events[i] = Show(ev)
	}
	if err := f.Teller.Tell(ctx, events); err != nil {
		return 0, err
	}
	err = f.Log.HaveRead(ctx, f.Name, from, found[len(found)-1].ID)
	if errors.Is(err, store.ErrConflict) { // another replica told them as well: at least once
		err = nil
	}
	return len(found), err
}

// Lines is a Teller that writes each event as one line of JSON.
type Lines struct{ To io.Writer }

// Tell implements Teller.
func (l Lines) Tell(_ context.Context, events []Event) error {
	e := json.NewEncoder(l.To)
	for _, ev := range events {
		if err := e.Encode(ev); err != nil {
			return fmt.Errorf("write audit event: %w", err)
		}
	}
	return nil
}
