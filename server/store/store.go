// Package store keeps people's data: accounts, sessions, device authorizations, grants,
// revocations, the audit log, and which declared objects have existed.
//
// Every method is one transaction; the audit event of an act is written in it. Codes,
// tokens and session identifiers arrive here already hashed under a key that the store
// does not have. Times are kept in milliseconds; the caller passes them in. All methods
// are safe for concurrent use; when the engine cannot answer they return an error that
// wraps ErrUnavailable. Configuration is never kept here.
//
// Start reading at types.go; sqlite.go is the engine, cache.go what spares reads.
package store

import (
	"context"
	"time"
)

// DB is an open store.
type DB struct{}

// OpenSQLite opens (and migrates) the SQLite database at path, or creates it (0600).
// Several processes may have it open at the same time. Close waits for pending writes.
func OpenSQLite(ctx context.Context, path string) (*DB, error) { panic("not written yet") }
func (db *DB) Close() error                                    { panic("not written yet") }

// --- people

// CreateUser adds an account. ErrConflict: the address is taken.
func (db *DB) CreateUser(ctx context.Context, u User, ev Event) error { panic("not written yet") }
func (db *DB) User(ctx context.Context, id string) (User, error)      { panic("not written yet") }
func (db *DB) UserByEmail(ctx context.Context, email string) (User, error) {
	panic("not written yet")
}
func (db *DB) Users(ctx context.Context) ([]User, error) { panic("not written yet") } // by email

// SetPassword replaces the password hash; it does not end sessions.
func (db *DB) SetPassword(ctx context.Context, userID, hash string, ev Event) error {
	panic("not written yet")
}

// SetDisabled disables or enables an account. Disabling ends the person's sessions and
// revokes their grants in the same transaction.
func (db *DB) SetDisabled(ctx context.Context, userID string, disabled bool, ev Event) error {
	panic("not written yet")
}

// --- sessions

func (db *DB) CreateSession(ctx context.Context, s Session, ev Event) error {
	panic("not written yet")
}

// Session finds a session by the keyed hash of its identifier. It does not judge its age.
func (db *DB) Session(ctx context.Context, hash []byte) (Session, error) { panic("not written yet") }

// TouchSession records the last use. Call it at most once a minute for a session.
func (db *DB) TouchSession(ctx context.Context, hash []byte, at time.Time) error {
	panic("not written yet")
}

// EndSession deletes the session and revokes the grants bound to it.
func (db *DB) EndSession(ctx context.Context, hash []byte, ev Event) error { panic("not written yet") }

// --- device authorizations

// CreateDeviceCode: ErrConflict when the user code is in use.
func (db *DB) CreateDeviceCode(ctx context.Context, d DeviceCode) error { panic("not written yet") }
func (db *DB) DeviceCode(ctx context.Context, hash []byte) (DeviceCode, error) {
	panic("not written yet")
}
func (db *DB) DeviceCodeByUserCode(ctx context.Context, userCodeHash []byte) (DeviceCode, error) {
	panic("not written yet")
}

// ApproveDeviceCode and DenyDeviceCode move a pending authorization that has not expired
// at now; ErrConflict when it is in any other state.
func (db *DB) ApproveDeviceCode(ctx context.Context, hash []byte, now time.Time, a Approval, ev Event) error {
	panic("not written yet")
}
func (db *DB) DenyDeviceCode(ctx context.Context, hash []byte, now time.Time, ev Event) error {
	panic("not written yet")
}

// ConsumeDeviceCode moves an approved authorization of the application, not expired at
// now, to consumed and inserts the grant: both or neither. Of any number of callers one
// succeeds; the others get ErrConflict.
func (db *DB) ConsumeDeviceCode(ctx context.Context, hash []byte, applicationUID string, now time.Time, g Grant, ev Event) error {
	panic("not written yet")
}

// --- grants and tokens

func (db *DB) Grant(ctx context.Context, id [16]byte) (Grant, error) { panic("not written yet") }

// RotateGrant moves a grant that is in force and not expired at now from generation
// `from` to from+1 and sets its idle limit. Of any number of callers one succeeds; the
// others get ErrConflict.
func (db *DB) RotateGrant(ctx context.Context, id [16]byte, from int64, now, idleExpiresAt time.Time, ev Event) error {
	panic("not written yet")
}

// RevokeGrant ends a grant; revoking twice is no error and writes nothing the second time.
func (db *DB) RevokeGrant(ctx context.Context, id [16]byte, at time.Time, reason string, ev Event) error {
	panic("not written yet")
}

// RevokeToken refuses one access token from now on; twice is no error.
func (db *DB) RevokeToken(ctx context.Context, r Revocation, ev Event) error {
	panic("not written yet")
}

// Revocations returns those that have not expired at now.
func (db *DB) Revocations(ctx context.Context, now time.Time) ([]Revocation, error) {
	panic("not written yet")
}

// --- audit, objects, keys

// Record writes an event that tells of an act without a write of its own.
func (db *DB) Record(ctx context.Context, ev Event) error { panic("not written yet") }

// Events returns the newest events first, at most limit.
func (db *DB) Events(ctx context.Context, limit int) ([]Event, error) { panic("not written yet") }

// SyncObjects remembers the objects that exist now and marks those that no longer do as
// gone at now. It returns every remembered object that has ever been gone, by UID. When
// nothing changed since the last call it writes nothing.
func (db *DB) SyncObjects(ctx context.Context, present []Object, now time.Time) (map[string]Object, error) {
	panic("not written yet")
}

// RememberKey notes the fingerprint of the keyring in use; KnownKeys returns those noted.
func (db *DB) RememberKey(ctx context.Context, fingerprint string) error { panic("not written yet") }
func (db *DB) KnownKeys(ctx context.Context) ([]string, error)           { panic("not written yet") }

// Sweep deletes what has expired at now, a small batch at a time, and reports how many
// rows went.
func (db *DB) Sweep(ctx context.Context, now time.Time) (int, error) { panic("not written yet") }
