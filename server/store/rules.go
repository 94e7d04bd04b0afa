package store

import (
	"context"
	"errors"
	"time"
)

const (
	insertTold = `INSERT INTO second_factor_told (user_id, organization_id, told_at)
		SELECT $1, $2, $3 WHERE NOT EXISTS (` + disabledAccount + `$1)
		ON CONFLICT (user_id, organization_id) DO NOTHING`
	selectTold       = `SELECT told_at FROM second_factor_told WHERE user_id = $1 AND organization_id = $2`
	deleteToldOfUser = `DELETE FROM second_factor_told WHERE user_id = $1`

	selectSessionUse = `SELECT s.last_used_at, s.longest_idle, COALESCE((SELECT b.longest_idle FROM sign_ins b
		WHERE b.session_id = s.id AND b.provider_uid = $2 AND b.provider_uid <> s.provider_uid), 0) FROM sessions s WHERE s.id = $1`
)

// TellOfSecondFactor remembers that a person was told that an organization wants a second
// factor. Only the first time counts: to be told again is no error and writes nothing.
func (db *DB) TellOfSecondFactor(ctx context.Context, userID, organizationID string, at time.Time, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(insertTold, userID, organizationID, millis(at))
		if err != nil || n == 0 {
			return err
		}
		return t.record(ev)
	})
}

// ToldOfSecondFactor is when a person was first told; zero: nobody did.
func (db *DB) ToldOfSecondFactor(ctx context.Context, userID, organizationID string) (time.Time, error) {
	at, err := row(ctx, db, func(s scanner) (at int64, err error) { return at, s.Scan(&at) }, selectTold, userID, organizationID)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return moment(at), nil
}

// SessionUse is when a session was used last, and for how long it was unused at the longest
// since the sign-in by the provider; zero: it has ended.
func (db *DB) SessionUse(ctx context.Context, id, providerUID string) (last time.Time, longest time.Duration, err error) {
	use, err := row(ctx, db, func(s scanner) (use [3]int64, err error) { return use, s.Scan(&use[0], &use[1], &use[2]) },
		selectSessionUse, id, providerUID)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, err
	}
	return moment(use[0]), time.Duration(max(use[1], use[2])) * time.Millisecond, nil
}
