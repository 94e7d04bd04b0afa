package store

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	insertEvent = `INSERT INTO audit_events
		(at, actor, organization_id, application_uid, action, target, ip, request_id, outcome, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	eventColumns = `id, at, actor, organization_id, application_uid, action, target, ip, request_id, outcome, reason`
	selectEvents = `SELECT ` + eventColumns + ` FROM audit_events ORDER BY id DESC LIMIT $1`

	// What a person did, and what was done to the account. Each half has an index of its own,
	// and is cut before they are joined.
	selectEventsOf = `SELECT ` + eventColumns + ` FROM (
		SELECT * FROM (SELECT ` + eventColumns + ` FROM audit_events
			WHERE actor = $1 AND action <> 'grant.refreshed' ORDER BY id DESC LIMIT $2) AS acted
		UNION
		SELECT * FROM (SELECT ` + eventColumns + ` FROM audit_events
			WHERE target = $1 AND action <> 'grant.refreshed' ORDER BY id DESC LIMIT $2) AS suffered
		) AS either ORDER BY id DESC LIMIT $2`

	selectEventsAfter = `SELECT ` + eventColumns + ` FROM audit_events WHERE id > $1 ORDER BY id LIMIT $2`
	selectNewestEvent = `SELECT COALESCE(MAX(id), 0) FROM audit_events`

	selectReader = `SELECT read_to FROM audit_readers WHERE name = $1`
	insertReader = `INSERT INTO audit_readers (name, read_to) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`
	moveReader   = `UPDATE audit_readers SET read_to = $3 WHERE name = $1 AND read_to = $2`

	// What somebody who follows has not read yet stays, a week beyond its time at most.
	sweepEvents = `DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < $1 AND
		(at < $3 OR id <= COALESCE((SELECT MIN(read_to) FROM audit_readers), id)) LIMIT $2)`
)

// record writes the event of an act in the act's transaction.
func (t *tx) record(ev Event) error {
	_, err := t.exec(insertEvent, millis(ev.Time), ev.Actor, ev.OrganizationID, ev.ApplicationUID, ev.Action, ev.Target,
		ev.IP, ev.RequestID, ev.Outcome, ev.Reason)
	return err
}

// Record writes an event that tells of an act without a write of its own.
func (db *DB) Record(ctx context.Context, ev Event) error {
	return db.write(ctx, func(t *tx) error { return t.record(ev) })
}

// Events returns the newest events first, at most limit.
func (db *DB) Events(ctx context.Context, limit int) ([]Event, error) {
	return all(ctx, db, scanEvent, selectEvents, limit)
}

// EventsOf returns what a person did and what was done to the account, the newest first, at
// most limit. Refreshed grants are left out.
func (db *DB) EventsOf(ctx context.Context, userID string, limit int) ([]Event, error) {
	return all(ctx, db, scanEvent, selectEventsOf, userID, limit)
}

// EventQuery says which events are asked for. Of every field the zero value asks for all.
type EventQuery struct {
	OrganizationID string
	Of             string // who acted, or was acted upon
	ApplicationUID string
	Action         string // "session.started", or all of "session.*"
	Outcome        string
	Since, Until   time.Time // Until excluded
	Before         int64     // events with a lower ID
	Limit          int
}

// FindEvents returns the newest events first, at most Limit of them.
func (db *DB) FindEvents(ctx context.Context, q EventQuery) ([]Event, error) {
	if q.Before == 0 {
		q.Before = math.MaxInt64
	}
	where, args, order := []string{"id < $1"}, []any{q.Before}, "id"
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, condition)
	}
	if q.OrganizationID != "" {
		and("organization_id <> '' AND organization_id = ?", q.OrganizationID)
	}
	if q.Of != "" {
		and("(actor = ? OR target = ?)", q.Of, q.Of)
	}
	if q.ApplicationUID != "" {
		and("application_uid = ?", q.ApplicationUID)
	}
	switch family, all := strings.CutSuffix(q.Action, "*"); {
	case all:
		and("substr(action, 1, ?) = ?", len(family), family)
	case q.Action != "":
		and("action = ?", q.Action)
	}
	if q.Outcome != "" {
		and("outcome = ?", q.Outcome)
	}
	if !q.Since.IsZero() { // by the index of times: what is older is not looked at
		and("at >= ?", millis(q.Since))
		order = "+id"
	}
	if !q.Until.IsZero() {
		and("at < ?", millis(q.Until))
	}
	args = append(args, q.Limit)
	query := `SELECT ` + eventColumns + ` FROM audit_events WHERE ` + strings.Join(where, " AND ") +
		` ORDER BY ` + order + ` DESC LIMIT $` + strconv.Itoa(len(args))
	return all(ctx, db, scanEvent, query, args...)
}

// EventsAfter returns the events with a higher ID, the oldest first, at most limit.
func (db *DB) EventsAfter(ctx context.Context, id int64, limit int) ([]Event, error) {
	return all(ctx, db, scanEvent, selectEventsAfter, id, limit)
}

// NewestEvent is the ID of the newest event; 0: there is none.
func (db *DB) NewestEvent(ctx context.Context) (int64, error) {
	return row(ctx, db, scanNumber, selectNewestEvent)
}

// ReadTo is the ID of the last event that a reader has dealt with. A new reader begins with
// what happens from now on.
func (db *DB) ReadTo(ctx context.Context, reader string) (int64, error) {
	id, err := row(ctx, db, scanNumber, selectReader, reader)
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	newest, err := db.NewestEvent(ctx)
	if err != nil {
		return 0, err
	}
	err = db.write(ctx, func(t *tx) error {
		_, err := t.exec(insertReader, reader, newest)
		return err
	})
	if err != nil {
		return 0, err
	}
	return row(ctx, db, scanNumber, selectReader, reader)
}

// HaveRead says that a reader that had dealt with everything to from has done so to to.
// ErrConflict: somebody else reads under the same name, and was first.
func (db *DB) HaveRead(ctx context.Context, reader string, from, to int64) error {
	return db.write(ctx, func(t *tx) error { return t.one(ErrConflict, moveReader, reader, from, to) })
}

// waitForReaders is how long events outlive their time for somebody who follows them.
const waitForReaders = 7 * 24 * time.Hour

// SweepEvents deletes events older than until, a small batch at a time, and reports how many
// went. What a reader has not read yet stays for a week longer.
func (db *DB) SweepEvents(ctx context.Context, until time.Time) (int, error) {
	var n int64
	err := db.write(ctx, func(t *tx) (err error) {
		n, err = t.exec(sweepEvents, millis(until), sweepBatch, millis(until.Add(-waitForReaders)))
		return err
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

func scanEvent(s scanner) (ev Event, err error) {
	var at int64
	err = s.Scan(&ev.ID, &at, &ev.Actor, &ev.OrganizationID, &ev.ApplicationUID, &ev.Action, &ev.Target, &ev.IP, &ev.RequestID,
		&ev.Outcome, &ev.Reason)
	ev.Time = moment(at)
	return ev, err
}

func scanNumber(s scanner) (n int64, err error) { return n, s.Scan(&n) }
