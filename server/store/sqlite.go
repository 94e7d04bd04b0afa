package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Option changes how a store is opened.
type Option func(*options)

type options struct {
	readers  int
	maxPages int
}

// ReadConnections sets how many connections answer reads; at least one.
func ReadConnections(n int) Option { return func(o *options) { o.readers = max(n, 1) } }

// MaxPages bounds the size of the database in pages of 4 KiB. Beyond it the store answers
// as on a full disk.
func MaxPages(n int) Option { return func(o *options) { o.maxPages = n } }

// OpenSQLite opens (and migrates) the SQLite database at path, or creates it (0600, its
// directory 0700). Several processes may have it open at the same time.
func OpenSQLite(ctx context.Context, path string, opts ...Option) (*DB, error) {
	o := options{readers: max(4, runtime.GOMAXPROCS(0))}
	for _, opt := range opts {
		opt(&o)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	write, err := connect(path, 1, pragmas("synchronous(FULL)", o.maxPages))
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate the store: %w", err), write.Close())
	}
	db := &DB{stmts: map[string]*sql.Stmt{}}
	if db.writer, err = newWriter(ctx, write); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), write.Close())
	}
	if db.pool, err = connect(path, o.readers, pragmas("query_only(1)", 0)); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), db.writer.close())
	}
	if db.feed, err = connect(path, 1, pragmas("query_only(1)", 0)); err != nil {
		return nil, errors.Join(fmt.Errorf("open the store: %w", err), db.writer.close(), db.pool.Close())
	}
	return db, nil
}

// create makes the file before the engine does: it would let the umask decide who may
// read it. The engine gives its journal the mode of the file.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func pragmas(last string, maxPages int) []string {
	p := []string{"busy_timeout(5000)", last}
	if maxPages > 0 {
		p = append(p, "max_page_count("+strconv.Itoa(maxPages)+")")
	}
	return p
}

// connect makes a pool that keeps every connection it opened: reconnecting costs more
// than a read.
func connect(path string, size int, pragmas []string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_pragma": pragmas,
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// migrate brings the schema up to date. Each migration is a transaction, so of two
// processes that migrate at once one is refused; by then the other has done its work.
func migrate(ctx context.Context, db *sql.DB) error {
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	const attempts = 5
	for range attempts {
		if err = migrateOnce(ctx, db, steps); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

func migrateOnce(ctx context.Context, db *sql.DB, steps fs.FS) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system does not let SQLite use a write-ahead log (journal mode %q)", mode)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, steps, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx) // p.Close would close db
	return err
}

// unavailable turns an error of the engine into one that callers tell apart. Only the
// engine's own messages are kept, which name tables and columns: those of database/sql
// may quote a value.
func unavailable(err error) error {
	var engine *sqlite.Error
	switch {
	case err == nil, errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound), errors.Is(err, ErrUnavailable):
		return err
	case errors.As(err, &engine):
		switch engine.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return ErrConflict
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, engine)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %T", ErrUnavailable, err)
}
