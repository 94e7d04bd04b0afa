package store

import (
	"context"
	"time"
)

const (
	// PlaceKept is how long a place is usual after it was used.
	PlaceKept = 30 * 24 * time.Hour
	// MaxPlaces is how many places of an account are kept, the last used.
	MaxPlaces = 32
)

const (
	selectPlace = `SELECT EXISTS (SELECT 1 FROM usual_places WHERE hash = $1 AND used_at > $2)`

	selectPlaceOfAccount = `SELECT hash FROM usual_places WHERE account = $1 AND used_at > $2`

	upsertPlace = `INSERT INTO usual_places (hash, account, used_at) VALUES ($1, $2, $3)
		ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at`

	dropPlaces = `DELETE FROM usual_places WHERE hash IN
		(SELECT hash FROM usual_places WHERE account = $1 ORDER BY used_at DESC, hash LIMIT -1 OFFSET $2)`

	deletePlacesOfAccount = `DELETE FROM usual_places WHERE account = $1`

	sweepPlaces = `DELETE FROM usual_places WHERE hash IN (SELECT hash FROM usual_places WHERE used_at <= $1 LIMIT $2)`
)

// UsualPlace reports whether somebody has signed in there, by the keyed hash of account and
// place, within PlaceKept.
func (db *DB) UsualPlace(ctx context.Context, hash []byte, now time.Time) (bool, error) {
	return row(ctx, db, func(s scanner) (usual bool, err error) { return usual, s.Scan(&usual) },
		selectPlace, blob(hash), millis(now.Add(-PlaceKept)))
}

// KeepPlaces makes places usual ones of an account: where a whole sign-in has come from. It
// reports whether all of them are new to an account that had others.
func (db *DB) KeepPlaces(ctx context.Context, account []byte, hashes [][]byte, now time.Time) (elsewhere bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		before, err := t.ids(selectPlaceOfAccount, blob(account), millis(now.Add(-PlaceKept)))
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, hash := range before {
			known[string(hash)] = true
		}
		elsewhere = len(before) > 0
		for _, hash := range hashes {
			elsewhere = elsewhere && !known[string(hash)]
			if _, err := t.exec(upsertPlace, blob(hash), blob(account), millis(now)); err != nil {
				return err
			}
		}
		_, err = t.exec(dropPlaces, blob(account), MaxPlaces)
		return err
	})
	return elsewhere && err == nil, err
}

// ForgetPlaces forgets where the person of an account usually is.
func (db *DB) ForgetPlaces(ctx context.Context, account []byte) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(deletePlacesOfAccount, blob(account))
		return err
	})
}
