package store

import (
	"context"
	"time"
)

// FactorKind is what kind of thing a factor is.
type FactorKind string

// Kinds of factors.
const (
	FactorTOTP FactorKind = "totp"     // an authenticator app (RFC 6238)
	FactorKey  FactorKind = "webauthn" // a security key or passkey (Web Authentication)
)

// MaxFactors is how many factors of a kind somebody may have. Each app is one more that a
// guess may hit.
const MaxFactors = 5

// Factor is what a person proves themselves with besides what they sign in with first. One
// that nobody has confirmed yet is none, and is not kept here.
type Factor struct {
	ID         string // "fac_" and 22 characters
	UserID     string
	Kind       FactorKind
	Name       string // given by its owner
	Secret     []byte // sealed; factors.Vault reads it
	LastStep   int64  // of FactorTOTP: the newest that was used
	Key        Key    // of FactorKey
	CreatedAt  time.Time
	LastUsedAt time.Time
}

const (
	// factorOf wants a user's ID at its end.
	factorOf = `SELECT 1 FROM factors WHERE user_id = `

	insertFactor = `INSERT INTO factors (id, user_id, kind, name, secret, last_step, created_at, last_used_at, ` + keyColumns + `)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
		WHERE NOT EXISTS (` + disabledAccount + `$2)
		AND (SELECT COUNT(*) FROM factors WHERE user_id = $2 AND kind = $3) < $20
		AND NOT EXISTS (SELECT 1 FROM factors WHERE id = $1 OR credential_id = $9)`

	selectFactor  = `SELECT id, user_id, kind, name, secret, last_step, created_at, last_used_at, ` + keyColumns + ` FROM factors `
	selectFactors = selectFactor + `WHERE user_id = $1 ORDER BY created_at, id`

	// A step counts once, and so does every one before it: of two that come with the same
	// code, on whatever replica, one changes the row.
	useStep = `UPDATE factors SET last_step = $3, last_used_at = $4
		WHERE id = $1 AND user_id = $2 AND last_step < $3 AND NOT EXISTS (` + disabledAccount + `$2)`

	mayHaveCodes = `SELECT id FROM users WHERE id = $1 AND disabled = 0 AND EXISTS (` + factorOf + `$1)`

	renameFactor        = `UPDATE factors SET name = $3 WHERE id = $1 AND user_id = $2`
	deleteFactor        = `DELETE FROM factors WHERE id = $1 AND user_id = $2`
	deleteFactorsOfUser = `DELETE FROM factors WHERE user_id = $1`

	insertRecoveryCode = `INSERT INTO recovery_codes (hash, user_id) VALUES ($1, $2)`
	useRecoveryCode    = `DELETE FROM recovery_codes WHERE hash = $1 AND user_id = $2
		AND EXISTS (` + factorOf + `$2) AND NOT EXISTS (` + disabledAccount + `$2)`
	selectRecoveryCodes = `SELECT hash FROM recovery_codes WHERE user_id = $1`
	deleteRecoveryCodes = `DELETE FROM recovery_codes WHERE user_id = $1`
	// Who has no factor has nothing to recover.
	dropRecoveryCodes = deleteRecoveryCodes + ` AND NOT EXISTS (` + factorOf + `$1)`
)

// NewFactor is what AddFactor writes.
type NewFactor struct {
	Factor
	Codes     [][]byte // keyed hashes of recovery codes, for who has none
	SessionID string   // where it was enrolled
	EndOthers bool     // end the person's other sessions
	Challenge Once     // of FactorKey: what it has answered
}

// AddFactor adds a factor that was confirmed. It comes with the recovery codes if the person
// has none, and AddFactor reports so; else those that they have stay. ErrConflict: the
// account is disabled, has MaxFactors of the kind, or this very factor already; or the key is
// known, whosever it is, or its challenge was answered before.
func (db *DB) AddFactor(ctx context.Context, f NewFactor, ev Event) (withCodes bool, err error) {
	err = db.write(ctx, func(t *tx) error {
		if err := t.useChallenge(f.Challenge); err != nil {
			return err
		}
		args := append([]any{
			f.ID, f.UserID, string(f.Kind), f.Name, blob(f.Secret), f.LastStep, millis(f.CreatedAt), millis(f.LastUsedAt),
		}, f.Key.columns()...)
		if err := t.one(ErrConflict, insertFactor, append(args, MaxFactors)...); err != nil {
			return err
		}
		left, err := t.ids(selectRecoveryCodes, f.UserID)
		if err != nil {
			return err
		}
		if withCodes = len(left) == 0; withCodes {
			if err := t.insertRecoveryCodes(f.UserID, f.Codes); err != nil {
				return err
			}
		}
		if err := t.accountChanged(f.UserID, ev); err != nil || !f.EndOthers {
			return err
		}
		ended := ev
		ended.Action, ended.Reason = "session.ended", "second factor added"
		_, err = t.endSessions(ended, deleteOtherSessions, f.UserID, f.SessionID)
		return err
	})
	return withCodes && err == nil, err
}

func (t *tx) insertRecoveryCodes(userID string, hashes [][]byte) error {
	for _, hash := range hashes {
		if _, err := t.exec(insertRecoveryCode, blob(hash), userID); err != nil {
			return err
		}
	}
	return nil
}

// Factors returns a person's factors, the oldest first.
func (db *DB) Factors(ctx context.Context, userID string) ([]Factor, error) {
	return all(ctx, db, scanFactor, selectFactors, userID)
}

// UseStep uses up a step of a person's factor, with all before it. ErrConflict: it is used
// up, the factor is gone or somebody else's, or the account is disabled.
func (db *DB) UseStep(ctx context.Context, userID, factorID string, step int64, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrConflict, useStep, factorID, userID, step, millis(ev.Time)); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// UseRecoveryCode uses up a recovery code. ErrConflict: the person has no such code (any
// more), or no factor, or the account is disabled.
func (db *DB) UseRecoveryCode(ctx context.Context, userID string, hash []byte, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrConflict, useRecoveryCode, blob(hash), userID); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RecoveryCodesLeft is how many codes somebody has not used.
func (db *DB) RecoveryCodesLeft(ctx context.Context, userID string) (int, error) {
	left, err := all(ctx, db, func(s scanner) (hash []byte, err error) { return hash, s.Scan(&hash) }, selectRecoveryCodes, userID)
	return len(left), err
}

// ReplaceRecoveryCodes puts new codes in the place of all that the person had. ErrConflict:
// the account is disabled or has no factor.
func (db *DB) ReplaceRecoveryCodes(ctx context.Context, userID string, hashes [][]byte, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		may, err := t.ids(mayHaveCodes, userID)
		if err != nil {
			return err
		}
		if len(may) == 0 {
			return ErrConflict
		}
		if _, err := t.exec(deleteRecoveryCodes, userID); err != nil {
			return err
		}
		if err := t.insertRecoveryCodes(userID, hashes); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RenameFactor gives a person's factor another name. ErrNotFound: there is no such factor.
func (db *DB) RenameFactor(ctx context.Context, userID, factorID, name string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, renameFactor, factorID, userID, name); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RemoveFactor removes a person's factor; with the last one the recovery codes go.
// ErrNotFound: there is no such factor.
func (db *DB) RemoveFactor(ctx context.Context, userID, factorID string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, deleteFactor, factorID, userID); err != nil {
			return err
		}
		if _, err := t.exec(dropRecoveryCodes, userID); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

// ResetFactors removes all factors and recovery codes of a person, ends all sessions, and
// reports how many factors there were. With none it writes nothing.
func (db *DB) ResetFactors(ctx context.Context, userID string, ev Event) (count int, err error) {
	err = db.write(ctx, func(t *tx) error {
		gone, err := t.exec(deleteFactorsOfUser, userID)
		if count = int(gone); err != nil || gone == 0 {
			return err
		}
		if _, err := t.exec(deleteRecoveryCodes, userID); err != nil {
			return err
		}
		if err := t.accountChanged(userID, ev); err != nil {
			return err
		}
		ended := ev
		ended.Action, ended.Reason = "session.ended", "second factors reset"
		_, err = t.endSessions(ended, deleteSessionsByID, userID, "")
		return err
	})
	return count, err
}

func scanFactor(s scanner) (f Factor, err error) {
	var created, used, blocked int64
	var transports string
	k := &f.Key
	err = s.Scan(&f.ID, &f.UserID, &f.Kind, &f.Name, &f.Secret, &f.LastStep, &created, &used,
		&k.CredentialID, &k.PublicKey, &k.AAGUID, &k.SignCount, &transports, &k.UserHandle,
		&k.UserVerified, &k.Discoverable, &k.BackupEligible, &k.BackedUp, &blocked)
	f.CreatedAt, f.LastUsedAt = moment(created), moment(used)
	k.Transports, k.BlockedAt = words(transports), moment(blocked)
	return f, err
}
