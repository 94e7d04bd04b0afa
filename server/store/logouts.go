package store

import (
	"context"
	"time"
)

const (
	insertLogin = `INSERT INTO logins (session_id, application_uid, organization_id, user_id, expires_at)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (session_id, application_uid, organization_id) DO UPDATE SET expires_at = excluded.expires_at`

	// Whoever deletes a session calls one of these pairs with it.
	insertLogouts = `INSERT INTO logouts (session_id, application_uid, organization_id, user_id, ended_at, due_at, tries)
		SELECT session_id, application_uid, organization_id, user_id, $2, $2, 0 FROM logins`
	tellOfSession      = insertLogouts + ` WHERE session_id = $1`
	deleteLogins       = `DELETE FROM logins WHERE session_id = $1`
	tellOfUser         = insertLogouts + ` WHERE user_id = $1`
	deleteLoginsOfUser = `DELETE FROM logins WHERE user_id = $1`

	selectLogoutsDue = `SELECT id, session_id, application_uid, organization_id, user_id, ended_at, due_at, tries FROM logouts
		WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2`
	claimLogout    = `UPDATE logouts SET due_at = $3, tries = tries + 1 WHERE id = $1 AND due_at = $2`
	postponeLogout = `UPDATE logouts SET due_at = $3 WHERE id = $1 AND due_at = $2`
	deleteLogout   = `DELETE FROM logouts WHERE id = $1`
)

// Login is an application that was told of a session, and wants to be told of its end.
type Login struct {
	SessionID      string
	ApplicationUID string
	OrganizationID string // where the person was signed in to it
	UserID         string
	ExpiresAt      time.Time // the session's absolute limit
}

// Logout is an application that has to be told that a session has ended.
type Logout struct {
	ID int64
	Login
	EndedAt time.Time
	DueAt   time.Time // when to tell it next
	Tries   int       // how often that was tried
}

// LogoutsDue returns those to be told at now, the longest due first.
func (db *DB) LogoutsDue(ctx context.Context, now time.Time, limit int) ([]Logout, error) {
	return all(ctx, db, scanLogout, selectLogoutsDue, millis(now), limit)
}

// ClaimLogout says that the caller tries now, and that the next try, should this one fail, is
// at next. ErrConflict: somebody else does.
func (db *DB) ClaimLogout(ctx context.Context, l Logout, next time.Time) error {
	return db.write(ctx, func(t *tx) error { return t.one(ErrConflict, claimLogout, l.ID, millis(l.DueAt), millis(next)) })
}

// PostponeLogouts puts those behind others that are due before then. It is no try; of one that
// somebody has claimed meanwhile it changes nothing.
func (db *DB) PostponeLogouts(ctx context.Context, due []Logout, until time.Time) error {
	return db.write(ctx, func(t *tx) error {
		for _, l := range due {
			if _, err := t.exec(postponeLogout, l.ID, millis(l.DueAt), millis(until)); err != nil {
				return err
			}
		}
		return nil
	})
}

// CloseLogout is for one that was told, or never will be. An event without an action is
// left out.
func (db *DB) CloseLogout(ctx context.Context, id int64, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(deleteLogout, id)
		if err != nil || n == 0 || ev.Action == "" {
			return err
		}
		return t.record(ev)
	})
}

func (t *tx) login(l Login) error {
	_, err := t.exec(insertLogin, l.SessionID, l.ApplicationUID, l.OrganizationID, l.UserID, millis(l.ExpiresAt))
	return err
}

// tell notes who is to be told of the end of a session, or of all of a person.
func (t *tx) tell(insert, remove, id string, at time.Time) error {
	if _, err := t.exec(insert, id, millis(at)); err != nil {
		return err
	}
	_, err := t.exec(remove, id)
	return err
}

func scanLogout(s scanner) (l Logout, err error) {
	var ended, due int64
	err = s.Scan(&l.ID, &l.SessionID, &l.ApplicationUID, &l.OrganizationID, &l.UserID, &ended, &due, &l.Tries)
	l.EndedAt, l.DueAt = moment(ended), moment(due)
	return l, err
}
