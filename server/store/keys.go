package store

import (
	"context"
	"errors"
	"time"
)

// Key is what is kept of a security key or passkey. Nothing of it is secret.
type Key struct {
	CredentialID   []byte // unique over everybody
	PublicKey      []byte // COSE
	AAGUID         []byte // what model it says to be
	SignCount      uint32 // the newest; 0: it does not count
	Transports     []string
	UserHandle     string    // what the key has as the name of the account
	UserVerified   bool      // it asked who it is when it was made
	Discoverable   bool      // it finds the account by itself
	BackupEligible bool      // it may be copied to other devices of its owner
	BackedUp       bool      // it is
	BlockedAt      time.Time // its counter went back; zero: never
}

// Once is something that counts once, until nobody would take it any more.
type Once struct {
	Hash  []byte // keyed; nil: there is nothing that counts once
	Until time.Time
}

// KeyUse is an answer of a key that was verified.
type KeyUse struct {
	UserID, FactorID string
	Challenge        Once
	SignCount        uint32
	BackedUp         bool
}

// ErrCopied: the counter of a key did not go on from where it was. There are two of it, and
// nobody knows which one is the owner's.
var ErrCopied = errors.New("the counter of the key went back")

const (
	keyColumns = `credential_id, public_key, aaguid, sign_count, transports, user_handle, user_verified, discoverable,
		backup_eligible, backed_up, blocked_at`

	selectFactorByCredential = selectFactor + `WHERE credential_id = $1`

	// The unique hash makes this a compare-and-swap, as for assertions.
	insertChallenge = `INSERT INTO used_challenges (hash, expires_at) VALUES ($1, $2)`

	// usableKey is a key of somebody who may use it.
	usableKey = `WHERE id = $1 AND user_id = $2 AND kind = 'webauthn' AND blocked_at = 0 AND NOT EXISTS (` + disabledAccount + `$2) `

	// A key that counts counts on with every use; one that does not says 0 each time (Web
	// Authentication section 7.2 step 22).
	useKey = `UPDATE factors SET sign_count = $3, backed_up = $4, last_used_at = $5 ` + usableKey +
		`AND (sign_count < $3 OR (sign_count = 0 AND $3 = 0))`

	blockKey = `UPDATE factors SET blocked_at = $3 ` + usableKey
)

// columns are those of keyColumns, in order.
func (k Key) columns() []any {
	var id, public, aaguid any // NULL for what is no key: the ID is unique
	if k.CredentialID != nil {
		id, public, aaguid = k.CredentialID, blob(k.PublicKey), blob(k.AAGUID)
	}
	return []any{
		id, public, aaguid, int64(k.SignCount), joined(k.Transports), k.UserHandle, number(k.UserVerified), number(k.Discoverable),
		number(k.BackupEligible), number(k.BackedUp), millis(k.BlockedAt),
	}
}

func (t *tx) useChallenge(o Once) error {
	if o.Hash == nil {
		return nil
	}
	return t.one(ErrConflict, insertChallenge, o.Hash, millis(o.Until))
}

// FactorByCredential finds the factor of a key, whosever it is.
func (db *DB) FactorByCredential(ctx context.Context, id []byte) (Factor, error) {
	return row(ctx, db, scanFactor, selectFactorByCredential, blob(id))
}

// UseKey uses up the challenge, and counts the key on. ErrConflict: the challenge was answered
// before, the key is gone, blocked or somebody else's, or the account is disabled; nothing is
// written then. ErrCopied: the counter went back. The key is blocked from then on: the event
// is in the log as a refused factor.blocked.
func (db *DB) UseKey(ctx context.Context, u KeyUse, ev Event) error {
	copied := false
	err := db.write(ctx, func(t *tx) error {
		if err := t.useChallenge(u.Challenge); err != nil {
			return err
		}
		err := t.one(ErrConflict, useKey, u.FactorID, u.UserID, int64(u.SignCount), number(u.BackedUp), millis(ev.Time))
		if err == nil {
			return t.record(ev)
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := t.one(ErrConflict, blockKey, u.FactorID, u.UserID, millis(ev.Time)); err != nil {
			return err
		}
		copied = true
		ev.Action, ev.Outcome, ev.Reason = "factor.blocked", "refused", "its counter went back: it may have been copied"
		return t.record(ev)
	})
	if err == nil && copied {
		return ErrCopied
	}
	return err
}
