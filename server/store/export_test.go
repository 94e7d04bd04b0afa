package store

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"
)

// NewCacheAt is NewCache by the given clock; Poll is one round of Run.
func NewCacheAt(db *DB, now func() time.Time) *Cache { return newCache(db, now) }
func (c *Cache) Poll(ctx context.Context) error      { return c.poll(ctx) }

// IntegrityCheck returns what the engine says of its file: "ok".
func (db *DB) IntegrityCheck(ctx context.Context) (verdict string, err error) {
	err = db.pool.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict)
	return verdict, err
}

// WhileReading calls between after a cache found nothing for the grant and read the store,
// before it keeps what it read.
func (c *Cache) WhileReading(ctx context.Context, id [16]byte, between func()) (Grant, error) {
	return lookup(c, &c.grants, id, func() (Grant, error) {
		g, err := c.DB.Grant(ctx, id)
		between()
		return g, err
	})
}

// Job submits a transaction of its own making.
func (db *DB) Job(ctx context.Context, do func(exec func(query string, args ...any) error) error) error {
	return db.write(ctx, func(t *tx) error {
		return do(func(query string, args ...any) error {
			_, err := t.exec(query, args...)
			return err
		})
	})
}

// Queued tells how many jobs wait for the writer; AwaitQueued returns when there are n.
func (db *DB) Queued() int { return len(db.writer.jobs) }

func (db *DB) AwaitQueued(n int) {
	for db.Queued() < n {
		runtime.Gosched()
	}
}

// AwaitAbandoned returns when the caller of the one waiting job has left.
func (db *DB) AwaitAbandoned() {
	j := <-db.writer.jobs
	for !j.started.Load() {
		runtime.Gosched()
	}
	db.writer.jobs <- j
}

// lists read a whole table because they are asked for all of it, or stop at a limit.
var lists = []string{selectUsers, selectEvents, selectObjects, selectKeys, selectAdoptions, selectBound, selectAllInvited}

// Scans returns what the engine says of the statements used so far that read a whole
// table or index, by their text; lists may.
func (db *DB) Scans(ctx context.Context) (map[string]string, error) {
	var texts []string
	err := db.write(ctx, func(t *tx) error {
		texts = slices.Collect(maps.Keys(t.w.stmts))
		return nil
	})
	if err != nil {
		return nil, err
	}
	db.mu.RLock()
	texts = slices.AppendSeq(texts, maps.Keys(db.stmts))
	db.mu.RUnlock()
	found := map[string]string{}
	for _, text := range texts {
		rows, err := db.pool.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "$"))...)
		if err != nil {
			return nil, err
		}
		steps, err := collect(rows, func(s scanner) (step string, err error) {
			var id, parent, unused int
			return step, s.Scan(&id, &parent, &unused, &step)
		})
		if err != nil {
			return nil, err
		}
		for _, step := range steps {
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN CONSTANT ROW" && !slices.Contains(lists, text) {
				found[text] = step
			}
		}
	}
	return found, nil
}

// MigrateTo brings the database at path to that version of the schema as a program does
// that knows no later one.
func MigrateTo(ctx context.Context, path string, version int64) error {
	if err := create(path); err != nil {
		return err
	}
	db, err := connect(path, 1, pragmas("synchronous(FULL)", 0))
	if err != nil {
		return err
	}
	known := fstest.MapFS{}
	err = fs.WalkDir(migrations, "migrations", func(name string, _ fs.DirEntry, err error) error {
		if n, e := goose.NumericComponent(name); err != nil || e != nil || n > version {
			return err
		}
		text, err := fs.ReadFile(migrations, name)
		known[filepath.Base(name)] = &fstest.MapFile{Data: text}
		return err
	})
	if err == nil {
		err = migrateOnce(ctx, db, known)
	}
	return errors.Join(err, db.Close())
}

// SweepThrottles is one batch of the sweep, with room for so many.
func (db *DB) SweepThrottles(ctx context.Context, now time.Time, most int) (int, error) {
	return db.sweepThrottles(ctx, now, most)
}
