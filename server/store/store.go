// Package store keeps people's data: accounts, sessions, device authorizations,
// authorization codes, consents, grants, revocations, used assertions, the audit log, and
// which declared objects have existed.
//
// Every method is one transaction; the audit event of an act is written in it. Codes,
// tokens and session identifiers arrive here already hashed under a key that the store
// does not have. Times are kept in milliseconds; the caller passes them in. All methods
// are safe for concurrent use; when the engine cannot answer they return an error that
// wraps ErrUnavailable. Configuration is never kept here.
//
// Start reading at types.go; people.go, identities.go, members.go, factors.go, keys.go, sessions.go, devices.go, codes.go, consents.go,
// assertions.go, grants.go, audit.go, objects.go, adoptions.go, resets.go, maillinks.go, throttles.go, places.go, logouts.go
// and sweep.go are the methods, sqlite.go and writer.go the engine, cache.go what spares reads, backup.go a copy of a
// running store.
package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"
)

// DB is an open store.
type DB struct {
	writer *writer
	pool   *sql.DB // read connections
	feed   *sql.DB // the one connection that follows the changes

	mu    sync.RWMutex
	stmts map[string]*sql.Stmt // prepared on pool, by text

	objects objectMemory
	policy  policyMemory
}

// Close waits for pending writes and closes the store. Methods called later return
// ErrUnavailable.
func (db *DB) Close() error {
	err := db.writer.close()
	return errors.Join(err, db.pool.Close(), db.feed.Close())
}

// scanner is what sql.Row and sql.Rows have in common.
type scanner interface{ Scan(dest ...any) error }

// write runs do in a transaction of the writer and waits until it is durable. When ctx
// ends first, write returns and the job either still runs or never starts.
func (db *DB) write(ctx context.Context, do func(*tx) error) error {
	return db.writer.submit(ctx, do)
}

// row reads one row; ErrNotFound when there is none.
func row[T any](ctx context.Context, db *DB, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	var zero T
	stmt, err := db.prepared(ctx, query)
	if err != nil {
		return zero, unavailable(err)
	}
	v, err := scan(stmt.QueryRowContext(ctx, args...))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return zero, ErrNotFound
	case err != nil:
		return zero, unavailable(err)
	}
	return v, nil
}

// all reads every row.
func all[T any](ctx context.Context, db *DB, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	stmt, err := db.prepared(ctx, query)
	if err != nil {
		return nil, unavailable(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, unavailable(err)
	}
	return collect(rows, scan)
}

func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) (found []T, err error) {
	defer func() {
		if e := rows.Close(); e != nil && err == nil {
			found, err = nil, unavailable(e)
		}
	}()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, unavailable(err)
		}
		found = append(found, v)
	}
	if err := rows.Err(); err != nil {
		return nil, unavailable(err)
	}
	return found, nil
}

// prepared keeps one statement for each text; database/sql prepares it again on whatever
// connection it meets.
func (db *DB) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	db.mu.RLock()
	stmt := db.stmts[query]
	db.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := db.pool.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if first := db.stmts[query]; first != nil {
		return first, stmt.Close()
	}
	db.stmts[query] = stmt
	return stmt, nil
}

// A column of time holds milliseconds; 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// A column of words holds them joined by spaces.
func joined(words []string) string { return strings.Join(words, " ") }
func words(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// blob keeps the engine from taking no bytes for NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
