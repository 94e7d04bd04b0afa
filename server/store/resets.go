package store

import (
	"context"
	"time"
)

const (
	upsertResetLink = `INSERT INTO reset_links (hash, user_id, created_at, expires_at)
		SELECT $1, $2, $3, $4 WHERE NOT EXISTS (` + disabledAccount + `$2)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at, expires_at = excluded.expires_at`

	selectResetLink = `SELECT hash, user_id, created_at, expires_at FROM reset_links WHERE hash = $1`

	// The hash in the condition makes it one use: of two posts of a link one finds it.
	useResetLink = `DELETE FROM reset_links WHERE hash = $1 AND user_id = $2 AND expires_at > $3`

	changePassword = replacePassword + ` AND disabled = 0
		AND EXISTS (SELECT 1 FROM sessions WHERE id = $4 AND user_id = $1)`

	deleteResetLinksOfUser = `DELETE FROM reset_links WHERE user_id = $1`
)

// ResetLink lets whoever has it choose a new password for an account, once. What it
// carries is kept as a keyed hash.
type ResetLink struct {
	Hash      []byte
	UserID    string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// CreateResetLink makes the link, in place of an earlier one of the person. ErrConflict:
// the account is disabled.
func (db *DB) CreateResetLink(ctx context.Context, l ResetLink, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, upsertResetLink, blob(l.Hash), l.UserID, millis(l.CreatedAt), millis(l.ExpiresAt))
		if err != nil {
			return err
		}
		return t.record(ev)
	})
}

// ResetLink finds a link by the keyed hash of what it carries. It does not judge its age.
func (db *DB) ResetLink(ctx context.Context, hash []byte) (ResetLink, error) {
	return row(ctx, db, scanResetLink, selectResetLink, blob(hash))
}

// UseResetLink sets the password hash by a link, which is gone then, and ends whatever was
// opened with the old password or by whoever knew it: sessions, grants, approvals that
// nobody has redeemed, consents that would give another grant without a question. ErrNotFound: the link was used, replaced or is too old at ev.Time,
// or the account is disabled.
func (db *DB) UseResetLink(ctx context.Context, l ResetLink, hash string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, useResetLink, blob(l.Hash), l.UserID, millis(ev.Time)); err != nil {
			return err
		}
		if err := t.one(ErrNotFound, updatePassword+` AND disabled = 0`, l.UserID, hash); err != nil {
			return err
		}
		if err := t.changed(ev.Time, userChanged, []byte(l.UserID)); err != nil {
			return err
		}
		if err := t.endEverythingOf(l.UserID, ev.Time, "password reset"); err != nil {
			return err
		}
		if _, err := t.exec(deleteConsentsOfUser, l.UserID); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// ChangePassword sets the password hash in the session, which has proven s.Proven. Links that
// would set another one are gone. With endOthers all other sessions of the person end.
// ErrNotFound: meanwhile the session has ended, the password is another one, or the account
// is disabled. So a change that was under way when a link was used does not undo that.
func (db *DB) ChangePassword(ctx context.Context, s Session, hash string, endOthers bool, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, changePassword, s.UserID, hash, s.Proven, s.ID); err != nil {
			return err
		}
		for _, query := range [...]string{deleteResetLinksOfUser, deleteMailLinksOfUser} {
			if _, err := t.exec(query, s.UserID); err != nil {
				return err
			}
		}
		if err := t.changed(ev.Time, userChanged, []byte(s.UserID)); err != nil {
			return err
		}
		if err := t.record(ev); err != nil || !endOthers {
			return err
		}
		ended := ev
		ended.Action, ended.Reason = "session.ended", "password changed"
		_, err := t.endSessions(ended, deleteOtherSessions, s.UserID, s.ID)
		return err
	})
}

func scanResetLink(s scanner) (l ResetLink, err error) {
	var created, expires int64
	err = s.Scan(&l.Hash, &l.UserID, &created, &expires)
	l.CreatedAt, l.ExpiresAt = moment(created), moment(expires)
	return l, err
}
