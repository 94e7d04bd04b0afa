package store

import (
	"context"
	"errors"
	"time"
)

const (
	insertGrant = `INSERT INTO grants
		(id, user_id, application_uid, organization_id, client_id, scopes, session_id, provider_uid, auth_time, amr,
		created_at, generation, rotated_at, seed, idle_expires_at, expires_at, revoked_at, revoked_reason,
		resource)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
		WHERE NOT EXISTS (` + disabledAccount + `$2)`

	selectGrants = `SELECT id, user_id, application_uid, organization_id, client_id, scopes, session_id, provider_uid,
		auth_time, amr, created_at, generation, rotated_at, seed, idle_expires_at, expires_at, revoked_at, revoked_reason,
		resource FROM grants`
	selectGrant         = selectGrants + ` WHERE id = $1`
	selectGrantsInForce = selectGrants + ` WHERE user_id = $1 AND revoked_at = 0 AND expires_at > $2
		AND (idle_expires_at = 0 OR idle_expires_at > $2) ORDER BY created_at DESC, id`

	// The generation in the condition makes this a compare-and-swap: of two refreshes
	// with one token the second touches nothing.
	rotateGrant = `UPDATE grants SET generation = generation + 1, rotated_at = $3, idle_expires_at = $4
		WHERE id = $1 AND generation = $2 AND generation > 0 AND revoked_at = 0 AND expires_at > $3
		AND (idle_expires_at = 0 OR idle_expires_at > $3)`

	revokeGrant = `UPDATE grants SET revoked_at = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at = 0`

	insertRevocation = `INSERT INTO revoked_tokens (serial, expires_at) VALUES ($1, $2) ON CONFLICT (serial) DO NOTHING`

	selectRevocations = `SELECT serial, expires_at FROM revoked_tokens WHERE expires_at > $1`
	selectRevocation  = `SELECT serial, expires_at FROM revoked_tokens WHERE serial = $1`
)

// Grant finds a grant, in force or not.
func (db *DB) Grant(ctx context.Context, id [16]byte) (Grant, error) {
	return row(ctx, db, scanGrant, selectGrant, id[:])
}

// GrantsOf returns the grants of a person that are in force at now, the newest first.
func (db *DB) GrantsOf(ctx context.Context, userID string, now time.Time) ([]Grant, error) {
	return all(ctx, db, scanGrant, selectGrantsInForce, userID, millis(now))
}

// grant inserts g; ErrConflict when the person's account is disabled.
func (t *tx) grant(g Grant) error {
	if g.Login != nil {
		if err := t.login(*g.Login); err != nil {
			return err
		}
	}
	return t.one(ErrConflict, insertGrant, g.ID[:], g.UserID, g.ApplicationUID, g.OrganizationID, g.ClientID,
		joined(g.Scopes), g.SessionID, g.ProviderUID, millis(g.AuthTime), joined(g.AMR),
		millis(g.CreatedAt), g.Generation, millis(g.RotatedAt), blob(g.Seed), millis(g.IdleExpiresAt),
		millis(g.ExpiresAt), millis(g.RevokedAt), g.RevokedReason, g.Resource)
}

// RotateGrant moves a grant that is in force and not expired at now from generation
// `from` to from+1 and sets its idle limit. Of any number of callers one succeeds; the
// others get ErrConflict.
func (db *DB) RotateGrant(ctx context.Context, id [16]byte, from int64, now, idleExpiresAt time.Time, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrConflict, rotateGrant, id[:], from, millis(now), millis(idleExpiresAt)); err != nil {
			return err
		}
		// A cache with an older generation would take the new token for a stolen one.
		if err := t.changed(now, grantChanged, id[:]); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RevokeGrant ends a grant; ending what has ended is no error and writes nothing.
func (db *DB) RevokeGrant(ctx context.Context, id [16]byte, at time.Time, reason string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(revokeGrant, id[:], millis(at), reason)
		if err != nil || n == 0 {
			return err
		}
		if err := t.changed(at, grantChanged, id[:]); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// RevokeToken refuses one access token from now on; twice is no error and writes nothing
// the second time.
func (db *DB) RevokeToken(ctx context.Context, r Revocation, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(insertRevocation, r.Serial[:], millis(r.ExpiresAt))
		if err != nil || n == 0 {
			return err
		}
		if err := t.changed(ev.Time, tokenRevoked, encodeRevocation(r)); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// Revocations returns those that have not expired at now.
func (db *DB) Revocations(ctx context.Context, now time.Time) ([]Revocation, error) {
	return all(ctx, db, scanRevocation, selectRevocations, millis(now))
}

func scanRevocation(s scanner) (r Revocation, err error) {
	var serial []byte
	var expires int64
	err = s.Scan(&serial, &expires)
	copy(r.Serial[:], serial)
	r.ExpiresAt = moment(expires)
	return r, err
}

func scanGrant(s scanner) (g Grant, err error) {
	var id []byte
	var scopes, amr string
	var auth, created, rotated, idle, expires, revoked int64
	err = s.Scan(&id, &g.UserID, &g.ApplicationUID, &g.OrganizationID, &g.ClientID, &scopes, &g.SessionID, &g.ProviderUID,
		&auth, &amr, &created, &g.Generation, &rotated, &g.Seed, &idle, &expires, &revoked, &g.RevokedReason, &g.Resource)
	copy(g.ID[:], id)
	g.Scopes, g.AMR = words(scopes), words(amr)
	g.AuthTime, g.CreatedAt, g.RotatedAt = moment(auth), moment(created), moment(rotated)
	g.IdleExpiresAt, g.ExpiresAt, g.RevokedAt = moment(idle), moment(expires), moment(revoked)
	return g, err
}

func (db *DB) revoked(ctx context.Context, serial [12]byte) (bool, error) {
	_, err := row(ctx, db, scanRevocation, selectRevocation, serial[:])
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
