package store

import (
	"context"
	"time"
)

// sweepBatch bounds the rows that one pass takes from one table, and so how long the
// writes of requests wait for it.
const sweepBatch = 200

// Each statement takes the instant and the most rows that it may delete. Revoked grants
// stay until their tokens would have ended anyway, so that a replay is known as one.
var sweeps = [...]string{
	`DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM device_codes WHERE hash IN (SELECT hash FROM device_codes WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM reset_links WHERE hash IN (SELECT hash FROM reset_links WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM invitations WHERE hash IN (SELECT hash FROM invitations WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM mail_links WHERE hash IN (SELECT hash FROM mail_links WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM consents WHERE (user_id, application_uid, organization_id) IN
		(SELECT user_id, application_uid, organization_id FROM consents WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM used_assertions WHERE hash IN (SELECT hash FROM used_assertions WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM logins WHERE (session_id, application_uid, organization_id) IN
		(SELECT session_id, application_uid, organization_id FROM logins WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM used_challenges WHERE hash IN (SELECT hash FROM used_challenges WHERE expires_at <= $1 LIMIT $2)`,
	`DELETE FROM sign_ins WHERE (session_id, provider_uid) IN
		(SELECT session_id, provider_uid FROM sign_ins WHERE expires_at <= $1 LIMIT $2)`,
}

const (
	sweepRevocations = `DELETE FROM revoked_tokens
		WHERE serial IN (SELECT serial FROM revoked_tokens WHERE expires_at <= $1 LIMIT $2)`

	sweepCodes = `DELETE FROM authorization_codes
		WHERE hash IN (SELECT hash FROM authorization_codes WHERE created_at <= $1 LIMIT $2)`

	// The newest change stays: it tells how far the sequence has come.
	sweepChanges = `DELETE FROM changes WHERE seq IN
		(SELECT seq FROM changes WHERE at <= $1 AND seq < (SELECT MAX(seq) FROM changes) ORDER BY seq LIMIT $2)`
)

// Sweep deletes what has expired at now, a small batch at a time, and reports how many
// rows went. Call it again at once until it reports none.
func (db *DB) Sweep(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for _, query := range sweeps {
		n, err := db.sweep(ctx, query, now, nil)
		total += n
		if err != nil {
			return total, err
		}
	}
	n, err := db.sweep(ctx, sweepRevocations, now, func(t *tx) error {
		return t.changed(now, tokensExpired, encodeInstant(now))
	})
	total += n
	if err != nil {
		return total, err
	}
	n, err = db.sweep(ctx, sweepCodes, now.Add(-codesKept), nil)
	total += n
	if err != nil {
		return total, err
	}
	n, err = db.sweep(ctx, sweepPlaces, now.Add(-PlaceKept), nil)
	total += n
	if err != nil {
		return total, err
	}
	n, err = db.sweepThrottles(ctx, now, MaxThrottles)
	total += n
	if err != nil {
		return total, err
	}
	n, err = db.sweep(ctx, sweepChanges, now.Add(-changesKept), nil)
	return total + n, err
}

func (db *DB) sweep(ctx context.Context, query string, until time.Time, then func(*tx) error) (int, error) {
	var n int64
	err := db.write(ctx, func(t *tx) (err error) {
		n, err = t.exec(query, millis(until), sweepBatch)
		if err != nil || n == 0 || then == nil {
			return err
		}
		return then(t)
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
