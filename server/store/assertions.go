package store

import (
	"context"
	"time"
)

// The unique hash makes this a compare-and-swap: of two uses of one assertion, on whatever
// replicas, the second inserts nothing.
const insertAssertion = `INSERT INTO used_assertions (hash, expires_at) VALUES ($1, $2)`

// UseAssertion remembers that a client assertion was used, until nobody would take it any
// more. ErrConflict: it was used before.
func (db *DB) UseAssertion(ctx context.Context, hash []byte, until time.Time) error {
	return db.write(ctx, func(t *tx) error {
		return t.one(ErrConflict, insertAssertion, blob(hash), millis(until))
	})
}
