package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch bounds how many jobs share a transaction, and so what the slowest of them
// waits for.
const maxBatch = 64

// writer owns the one connection that writes. Its goroutine takes whatever waits into one
// transaction: the sync to disk, which is what a commit costs, is paid once for all of
// them. Nothing leaves before that commit: no answer, no change to a cache.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt // used by the goroutine alone
	jobs  chan *job
	done  chan struct{} // closed when the goroutine has ended

	mu        sync.RWMutex
	closed    bool
	followers []func([]change)
}

// job is one transaction of a caller. It carries no context: a request that ends must
// not interrupt the transaction it shares with others.
type job struct {
	do      func(*tx) error
	started atomic.Bool // by the goroutine, or by a caller who gave up before it
	answer  chan error
	err     error
	changes []change
}

// tx is what a job may do. An error of the engine fails the job even when the job goes on.
type tx struct {
	w       *writer
	changes []change
	fault   error
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		db: db, conn: conn, stmts: map[string]*sql.Stmt{},
		jobs: make(chan *job, maxBatch), done: make(chan struct{}),
	}
	go w.run()
	return w, nil
}

func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.done
	for _, stmt := range w.stmts {
		_ = stmt.Close()
	}
	return errors.Join(w.conn.Close(), w.db.Close())
}

// follow has f called with the changes of every commit before its callers are answered.
func (w *writer) follow(f func([]change)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.followers = append(w.followers, f)
}

func (w *writer) submit(ctx context.Context, do func(*tx) error) error {
	j := &job{do: do, answer: make(chan error, 1)}
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case err := <-j.answer:
		return err
	case <-ctx.Done():
		j.started.CompareAndSwap(false, true)
		return unavailable(ctx.Err())
	}
}

func (w *writer) enqueue(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return fmt.Errorf("%w: closed", ErrUnavailable)
	}
	select {
	case w.jobs <- j:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err())
	}
}

func (w *writer) run() {
	defer close(w.done)
	batch := make([]*job, 0, maxBatch)
	for first := range w.jobs {
		batch = append(batch[:0], first)
		for waiting := true; waiting && len(batch) < maxBatch; {
			select {
			case j, ok := <-w.jobs:
				if waiting = ok; ok {
					batch = append(batch, j)
				}
			default:
				waiting = false
			}
		}
		w.commit(batch)
	}
}

// commit runs the batch in one transaction and answers its callers.
func (w *writer) commit(batch []*job) {
	live := batch[:0]
	for _, j := range batch {
		if j.started.CompareAndSwap(false, true) {
			live = append(live, j)
		}
	}
	if len(live) == 0 {
		return
	}
	if err := w.transact(live); err != nil {
		// A refusal in this batch may rest on what another job of it did, so none stands.
		for _, j := range live {
			j.answer <- err
		}
		return
	}
	var changes []change
	for _, j := range live {
		changes = append(changes, j.changes...)
	}
	w.tell(changes)
	for _, j := range live {
		j.answer <- j.err
	}
}

// transact runs the jobs, each with its own outcome, and commits. An error means that
// nothing of any of them was kept.
func (w *writer) transact(jobs []*job) (err error) {
	if err := w.command("BEGIN IMMEDIATE"); err != nil {
		_ = w.command("ROLLBACK")
		return err
	}
	defer func() {
		if err != nil {
			_ = w.command("ROLLBACK") // it may have been rolled back already
		}
	}()
	if len(jobs) == 1 {
		if err := w.attempt(jobs[0]); err != nil {
			return err
		}
		return w.command("COMMIT")
	}
	for _, j := range jobs {
		if err := w.command("SAVEPOINT job"); err != nil {
			return err
		}
		if j.err = w.attempt(j); j.err != nil {
			j.changes = nil
			// FULL, IOERR, NOMEM and INTERRUPT may have rolled everything back; then there
			// is no such savepoint any more.
			if err := w.command("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if err := w.command("RELEASE job"); err != nil {
			return err
		}
	}
	return w.command("COMMIT")
}

func (w *writer) attempt(j *job) error {
	t := tx{w: w}
	err := j.do(&t)
	j.changes = t.changes
	if t.fault != nil {
		return t.fault
	}
	return err
}

func (w *writer) tell(changes []change) {
	if len(changes) == 0 {
		return
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, f := range w.followers {
		f(changes)
	}
}

func (w *writer) command(text string) error {
	stmt, err := w.prepared(text)
	if err == nil {
		_, err = stmt.ExecContext(context.Background())
	}
	return unavailable(err)
}

func (w *writer) prepared(text string) (*sql.Stmt, error) {
	if stmt := w.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(context.Background(), text)
	if err == nil {
		w.stmts[text] = stmt
	}
	return stmt, err
}

// exec runs a statement and reports how many rows it touched. ErrConflict: a unique value
// is taken.
func (t *tx) exec(query string, args ...any) (int64, error) {
	stmt, err := t.w.prepared(query)
	if err != nil {
		return 0, t.broken(err)
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, t.broken(err)
	}
	n, err := res.RowsAffected()
	return n, t.broken(err)
}

// one runs a statement that must touch a row, else refusal.
func (t *tx) one(refusal error, query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err == nil && n == 0 {
		return refusal
	}
	return err
}

// ids runs a statement that returns one column of identifiers.
func (t *tx) ids(query string, args ...any) ([][]byte, error) {
	stmt, err := t.w.prepared(query)
	if err != nil {
		return nil, t.broken(err)
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, t.broken(err)
	}
	found, err := collect(rows, func(s scanner) (id []byte, err error) { return id, s.Scan(&id) })
	return found, t.broken(err)
}

func (t *tx) broken(err error) error {
	if err = unavailable(err); err != nil && t.fault == nil {
		t.fault = err
	}
	return err
}

// changed tells caches, here and elsewhere, that what they know of id is out of date.
func (t *tx) changed(at time.Time, what string, id []byte) error {
	if _, err := t.exec(insertChange, what, blob(id), millis(at)); err != nil {
		return err
	}
	t.changes = append(t.changes, change{what: what, id: id})
	return nil
}
