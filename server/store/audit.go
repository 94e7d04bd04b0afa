package store

import "context"

const (
	insertEvent = `INSERT INTO audit_events
		(at, actor, organization_id, application_uid, action, target, ip, request_id, outcome, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	eventColumns = `at, actor, organization_id, application_uid, action, target, ip, request_id, outcome, reason`
	selectEvents = `SELECT ` + eventColumns + ` FROM audit_events ORDER BY id DESC LIMIT $1`

	// What a person did, and what was done to the account. Each half has an index of its own,
	// and is cut before they are joined.
	selectEventsOf = `SELECT ` + eventColumns + ` FROM (
		SELECT * FROM (SELECT id, ` + eventColumns + ` FROM audit_events
			WHERE actor = $1 AND action <> 'grant.refreshed' ORDER BY id DESC LIMIT $2) AS acted
		UNION
		SELECT * FROM (SELECT id, ` + eventColumns + ` FROM audit_events
			WHERE target = $1 AND action <> 'grant.refreshed' ORDER BY id DESC LIMIT $2) AS suffered
		) AS either ORDER BY id DESC LIMIT $2`
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

func scanEvent(s scanner) (ev Event, err error) {
	var at int64
	err = s.Scan(&at, &ev.Actor, &ev.OrganizationID, &ev.ApplicationUID, &ev.Action, &ev.Target, &ev.IP, &ev.RequestID,
		&ev.Outcome, &ev.Reason)
	ev.Time = moment(at)
	return ev, err
}
