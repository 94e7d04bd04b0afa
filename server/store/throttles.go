package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// MaxThrottles bounds how many throttles are kept; the sweep takes the lightest of those
// beyond it, so that somebody who tries many names pushes out nothing but what counted once.
const MaxThrottles = 200_000

// Throttle is how often something was tried. What it is about is kept as a keyed hash.
type Throttle struct {
	Count int64
	At    time.Time // of the last try; for a bucket, when it is full again
	Until time.Time // it says nothing any more from then on
}

// ThrottleKey names a throttle: the keyed hash of what it is about, and of whose account,
// to find all of an account; empty: nobody's.
type ThrottleKey struct{ Hash, Account []byte }

const (
	selectThrottle = `SELECT count, at, until FROM throttles WHERE hash = $1`

	upsertThrottle = `INSERT INTO throttles (hash, account, count, at, until) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (hash) DO UPDATE SET count = excluded.count, at = excluded.at, until = excluded.until`

	deleteThrottle           = `DELETE FROM throttles WHERE hash = $1`
	deleteThrottlesOfAccount = `DELETE FROM throttles WHERE account = $1`

	// Of those in force: at most MaxThrottles, and what a minute adds.
	countThrottles = `SELECT COUNT(*) FROM throttles WHERE until > $1`

	sweepThrottles = `DELETE FROM throttles WHERE hash IN (SELECT hash FROM throttles WHERE until <= $1 LIMIT $2)`
	evictThrottles = `DELETE FROM throttles WHERE hash IN (SELECT hash FROM throttles WHERE count > 0 ORDER BY count, until LIMIT $1)`
)

// Throttles reads the throttles of the keys, in their order; the zero value for one that is
// not there.
func (db *DB) Throttles(ctx context.Context, keys []ThrottleKey) ([]Throttle, error) {
	found := make([]Throttle, len(keys))
	for i, key := range keys {
		t, err := row(ctx, db, scanThrottle, selectThrottle, blob(key.Hash))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		found[i] = t
	}
	return found, nil
}

// ChangeThrottles has change look at the throttles of the keys and alter them, in one
// transaction: of many tries at once, on whatever replica, each sees those before it. When
// change returns false nothing is kept; a throttle whose Until is zero goes.
func (db *DB) ChangeThrottles(ctx context.Context, keys []ThrottleKey, change func([]Throttle) bool) error {
	return db.write(ctx, func(t *tx) error {
		found := make([]Throttle, len(keys))
		for i, key := range keys {
			var err error
			if found[i], err = t.throttle(key.Hash); err != nil {
				return err
			}
		}
		if !change(found) {
			return nil
		}
		for i, key := range keys {
			if err := t.keepThrottle(key, found[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) throttle(hash []byte) (found Throttle, err error) {
	stmt, err := t.w.prepared(selectThrottle)
	if err != nil {
		return found, t.broken(err)
	}
	found, err = scanThrottle(stmt.QueryRowContext(context.Background(), blob(hash)))
	if errors.Is(err, sql.ErrNoRows) {
		return Throttle{}, nil
	}
	return found, t.broken(err)
}

func (t *tx) keepThrottle(key ThrottleKey, v Throttle) error {
	if v.Until.IsZero() {
		_, err := t.exec(deleteThrottle, blob(key.Hash))
		return err
	}
	_, err := t.exec(upsertThrottle, blob(key.Hash), blob(key.Account), v.Count, millis(v.At), millis(v.Until))
	return err
}

// unlockedFor is how long the word that an account is unlocked stays: longer than anything
// in the memory of a process holds.
const unlockedFor = time.Hour

// Unlock forgets what is counted against accounts, by their keyed hashes, and sets marks
// instead, which tell the processes that use the store that theirs is out of date.
func (db *DB) Unlock(ctx context.Context, accounts [][]byte, marks []ThrottleKey, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		for _, account := range accounts {
			if _, err := t.exec(deleteThrottlesOfAccount, blob(account)); err != nil {
				return err
			}
		}
		for _, mark := range marks {
			if err := t.keepThrottle(mark, Throttle{Count: 1, At: ev.Time, Until: ev.Time.Add(unlockedFor)}); err != nil {
				return err
			}
		}
		return t.record(ev)
	})
}

// sweepThrottles takes a batch of the throttles that say nothing any more, and of the
// lightest beyond most.
func (db *DB) sweepThrottles(ctx context.Context, now time.Time, most int) (int, error) {
	gone, err := db.sweep(ctx, sweepThrottles, now, nil)
	if err != nil {
		return 0, err
	}
	count, err := row(ctx, db, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, countThrottles, millis(now))
	if err != nil || count <= most {
		return gone, err
	}
	var evicted int64
	err = db.write(ctx, func(t *tx) (err error) {
		evicted, err = t.exec(evictThrottles, min(sweepBatch, count-most))
		return err
	})
	return gone + int(evicted), err
}

func scanThrottle(s scanner) (t Throttle, err error) {
	var at, until int64
	err = s.Scan(&t.Count, &at, &until)
	t.At, t.Until = moment(at), moment(until)
	return t, err
}
