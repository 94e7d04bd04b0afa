package store

import (
	"context"
	"time"
)

const (
	insertSession = `INSERT INTO sessions
		(hash, id, user_id, provider_uid, auth_time, created_at, last_used_at, expires_at, ip, user_agent, amr)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
		WHERE NOT EXISTS (` + disabledAccount + `$3) AND ($12 = 1 OR NOT EXISTS (` + factorOf + `$3))
		AND ($13 = '' OR EXISTS (SELECT 1 FROM users WHERE id = $3 AND password_hash = $13))`

	selectSessions = `SELECT hash, id, user_id, provider_uid, auth_time, created_at, last_used_at, expires_at, ip, user_agent, amr,
		longest_idle FROM sessions`
	selectSession        = selectSessions + ` WHERE hash = $1`
	selectSessionsOfUser = selectSessions + ` WHERE user_id = $1 ORDER BY last_used_at DESC, id`

	// A new identifier without a new sign-in is no use that makes up for an idle time.
	renewSession = `UPDATE sessions SET hash = $2, provider_uid = $3, auth_time = $4, last_used_at = $5, expires_at = $6,
		ip = $7, user_agent = $8, amr = $11,
		longest_idle = CASE WHEN $4 > auth_time THEN 0 WHEN $5 - last_used_at > longest_idle THEN $5 - last_used_at ELSE longest_idle END
		WHERE hash = $1 AND id = $9 AND user_id = $10 AND NOT EXISTS (` + disabledAccount + `$10)
		AND ($12 = 1 OR NOT EXISTS (` + factorOf + `$10))
		AND ($13 = '' OR EXISTS (SELECT 1 FROM users WHERE id = $10 AND password_hash = $13))`

	// idleOf is for how long a session was unused at the longest since its last sign-in, as it
	// ends at $2.
	idleOf = `(SELECT CASE WHEN $2 - last_used_at > longest_idle THEN $2 - last_used_at ELSE longest_idle END FROM sessions WHERE hash = $1)`

	// A new sign-in makes up for no time in which those before were unused.
	ageSignIns = `UPDATE sign_ins SET longest_idle = ` + idleOf + `
		WHERE session_id = (SELECT id FROM sessions WHERE hash = $1) AND longest_idle < ` + idleOf

	// The sign-in that was the last one stays known, if it was by another provider.
	keepSignIn = `INSERT INTO sign_ins (session_id, provider_uid, auth_time, amr, expires_at, longest_idle)
		SELECT id, provider_uid, auth_time, amr, expires_at, ` + idleOf + ` FROM sessions WHERE hash = $1
		ON CONFLICT (session_id, provider_uid) DO UPDATE SET auth_time = excluded.auth_time, amr = excluded.amr, expires_at = excluded.expires_at,
		longest_idle = excluded.longest_idle`
	selectSignIns = `SELECT provider_uid, auth_time, amr, expires_at, longest_idle FROM sign_ins
		WHERE session_id = $1 AND provider_uid <> $2 ORDER BY provider_uid`

	deleteSignIns       = `DELETE FROM sign_ins WHERE session_id = $1`
	deleteSignInsOfUser = `DELETE FROM sign_ins WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)`

	touchSession = `UPDATE sessions SET last_used_at = $2,
		longest_idle = CASE WHEN $2 - last_used_at > longest_idle THEN $2 - last_used_at ELSE longest_idle END WHERE hash = $1`
	deleteSession = `DELETE FROM sessions WHERE hash = $1 RETURNING id`

	deleteSessionsByID  = `DELETE FROM sessions WHERE user_id = $1 AND (id = $2 OR $2 = '') RETURNING id`
	deleteOtherSessions = `DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id`

	revokeGrantsOfSession = `UPDATE grants SET revoked_at = $2, revoked_reason = $3
		WHERE session_id = $1 AND session_id <> '' AND revoked_at = 0 RETURNING id`
)

// CreateSession adds a session. ErrConflict: its identifier is taken, the person's account
// is disabled, what the sign-in has proven is no longer its password, or it has a second
// factor and the session was begun without: whatever a caller forgets, and whatever changed
// while somebody signed in.
func (db *DB) CreateSession(ctx context.Context, s Session, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, insertSession, blob(s.Hash), s.ID, s.UserID, s.ProviderUID, millis(s.AuthTime),
			millis(s.CreatedAt), millis(s.LastUsedAt), millis(s.ExpiresAt), s.IP, s.UserAgent, joined(s.AMR), number(s.MultiFactor()), s.Proven)
		if err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RenewSession puts a new sign-in of the same person in the place of the session with the
// old hash: it has a new identifier, and everything that is bound to it goes on.
// ErrNotFound: it has ended, is another's, the account is disabled, what the sign-in has
// proven is no longer its password, or it has a second factor and the sign-in was without.
// ErrConflict: the identifier is taken.
func (db *DB) RenewSession(ctx context.Context, old []byte, s Session, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		for _, query := range [...]string{ageSignIns, keepSignIn} {
			if _, err := t.exec(query, blob(old), millis(s.LastUsedAt)); err != nil {
				return err
			}
		}
		err := t.one(ErrNotFound, renewSession, blob(old), blob(s.Hash), s.ProviderUID, millis(s.AuthTime), millis(s.LastUsedAt),
			millis(s.ExpiresAt), s.IP, s.UserAgent, s.ID, s.UserID, joined(s.AMR), number(s.MultiFactor()), s.Proven)
		if err != nil {
			return err
		}
		return t.record(ev)
	})
}

// Session finds a session by the keyed hash of its identifier. It does not judge its age.
func (db *DB) Session(ctx context.Context, hash []byte) (Session, error) {
	s, err := row(ctx, db, scanSession, selectSession, blob(hash))
	if err != nil {
		return Session{}, err
	}
	s.Before, err = all(ctx, db, scanSignIn, selectSignIns, s.ID, s.ProviderUID)
	return s, err
}

// TouchSession records the last use. Call it at most once a minute for a session.
// ErrNotFound: the session has ended.
func (db *DB) TouchSession(ctx context.Context, hash []byte, at time.Time) error {
	return db.write(ctx, func(t *tx) error {
		return t.one(ErrNotFound, touchSession, blob(hash), millis(at))
	})
}

// EndSession deletes the session, revokes the grants bound to it and burns the codes that
// were approved in it. Ending what has ended is no error and writes nothing.
func (db *DB) EndSession(ctx context.Context, hash []byte, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		ended, err := t.ids(deleteSession, blob(hash))
		if err != nil || len(ended) == 0 {
			return err
		}
		return t.sessionEnded(string(ended[0]), ev)
	})
}

// SessionsOf returns a person's sessions, the last used first. It does not judge their age.
func (db *DB) SessionsOf(ctx context.Context, userID string) ([]Session, error) {
	return all(ctx, db, scanSession, selectSessionsOfUser, userID)
}

// EndSessionsOf ends the person's session with this ID, or all of them for the empty ID,
// like EndSession, and reports how many there were. Each leaves the event, with its ID as
// target.
func (db *DB) EndSessionsOf(ctx context.Context, userID, id string, ev Event) (int, error) {
	return db.endSessions(ctx, ev, deleteSessionsByID, userID, id)
}

// EndOtherSessionsOf is EndSessionsOf for all sessions of the person but the one with this
// ID.
func (db *DB) EndOtherSessionsOf(ctx context.Context, userID, id string, ev Event) (int, error) {
	return db.endSessions(ctx, ev, deleteOtherSessions, userID, id)
}

func (db *DB) endSessions(ctx context.Context, ev Event, query string, args ...any) (count int, err error) {
	err = db.write(ctx, func(t *tx) error {
		count, err = t.endSessions(ev, query, args...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// endSessions ends the sessions that a statement deletes, of which it returns the IDs.
func (t *tx) endSessions(ev Event, query string, args ...any) (int, error) {
	ended, err := t.ids(query, args...)
	if err != nil {
		return 0, err
	}
	for _, session := range ended {
		ev.Target = string(session)
		if err := t.sessionEnded(ev.Target, ev); err != nil {
			return 0, err
		}
	}
	return len(ended), nil
}

// sessionEnded ends what is bound to a session that is gone.
func (t *tx) sessionEnded(id string, ev Event) error {
	if _, err := t.exec(burnCodesOfSession, id, millis(ev.Time)); err != nil {
		return err
	}
	if _, err := t.exec(deleteSignIns, id); err != nil {
		return err
	}
	if err := t.tell(tellOfSession, deleteLogins, id, ev.Time); err != nil {
		return err
	}
	_, err := t.changedAll(ev.Time, grantChanged, revokeGrantsOfSession, id, millis(ev.Time), "session ended")
	if err != nil {
		return err
	}
	return t.record(ev)
}

func scanSession(s scanner) (found Session, err error) {
	var auth, created, used, expires, idle int64
	var amr string
	err = s.Scan(&found.Hash, &found.ID, &found.UserID, &found.ProviderUID, &auth, &created, &used, &expires,
		&found.IP, &found.UserAgent, &amr, &idle)
	found.LongestIdle = time.Duration(idle) * time.Millisecond
	found.AMR = words(amr)
	found.AuthTime, found.CreatedAt = moment(auth), moment(created)
	found.LastUsedAt, found.ExpiresAt = moment(used), moment(expires)
	return found, err
}

func scanSignIn(s scanner) (in SignIn, err error) {
	var auth, expires, idle int64
	var amr string
	err = s.Scan(&in.ProviderUID, &auth, &amr, &expires, &idle)
	in.LongestIdle = time.Duration(idle) * time.Millisecond
	in.AuthTime, in.AMR, in.ExpiresAt = moment(auth), words(amr), moment(expires)
	return in, err
}
