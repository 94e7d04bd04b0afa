package store

import (
	"context"
	"time"
)

// codesKept is how long the row of a code stays after its creation, used or not: until
// then a replay is known as one and ends the grant (RFC 6749 section 4.1.2), and no
// approval is used twice.
const codesKept = 24 * time.Hour

const (
	// What a person approved counts while they may act and their session goes on.
	insertCode = `INSERT INTO authorization_codes
		(hash, approval_id, user_id, application_uid, organization_id, client_id, session_id, session_ends_at, provider_uid,
		auth_time, amr, granted, resource, redirect_uri, challenge, nonce, created_at, expires_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
		WHERE NOT EXISTS (` + disabledAccount + `$3)
		AND EXISTS (SELECT 1 FROM sessions WHERE id = $7 AND user_id = $3 AND expires_at > $19)`

	selectCode = `SELECT hash, approval_id, user_id, application_uid, organization_id, client_id, session_id, session_ends_at,
		provider_uid, auth_time, amr, granted, resource, redirect_uri, challenge, nonce, created_at, expires_at, used_at, grant_id
		FROM authorization_codes WHERE hash = $1`

	// used_at in the condition makes this a compare-and-swap: of two redemptions of one
	// code the second touches nothing.
	redeemCode = `UPDATE authorization_codes SET used_at = $3, grant_id = $5
		WHERE hash = $1 AND application_uid = $2 AND used_at = 0 AND expires_at > $3 AND user_id = $4
		AND EXISTS (SELECT 1 FROM sessions s WHERE s.id = authorization_codes.session_id
			AND s.user_id = authorization_codes.user_id AND s.expires_at > $3)`

	burnCode = `UPDATE authorization_codes SET used_at = $2 WHERE hash = $1 AND used_at = 0`

	// Whatever ends grants burns these codes first: a redemption that runs at the same time
	// either comes before, and its grant is found, or finds its code used.
	burnCodesOfUser    = `UPDATE authorization_codes SET used_at = $2 WHERE user_id = $1 AND used_at = 0`
	burnCodesOfSession = `UPDATE authorization_codes SET used_at = $2 WHERE session_id = $1 AND used_at = 0`
	burnCodesOfConsent = `UPDATE authorization_codes SET used_at = $4
		WHERE user_id = $1 AND application_uid = $2 AND organization_id = $3 AND used_at = 0`

	deleteCodesOfUser = `DELETE FROM authorization_codes WHERE user_id = $1`
)

// CreateAuthorizationCode adds a code, and remembers the consent if there is one: both or
// neither. ErrConflict: the approval was used already, the person's account is disabled,
// or the session that approved is gone or at its absolute limit at ev.Time.
func (db *DB) CreateAuthorizationCode(ctx context.Context, c AuthorizationCode, remember *Consent, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, insertCode, blob(c.Hash), blob(c.ApprovalID), c.UserID, c.ApplicationUID, c.OrganizationID,
			c.ClientID, c.SessionID, millis(c.SessionEndsAt), c.ProviderUID, millis(c.AuthTime), joined(c.AMR), joined(c.Granted), c.Resource,
			c.RedirectURI, c.Challenge, c.Nonce, millis(c.CreatedAt), millis(c.ExpiresAt), millis(ev.Time))
		if err != nil {
			return err
		}
		if remember != nil {
			if err := t.consent(*remember); err != nil {
				return err
			}
		}
		return t.record(ev)
	})
}

// AuthorizationCode finds a code by its keyed hash, used or not. It does not judge its age.
func (db *DB) AuthorizationCode(ctx context.Context, hash []byte) (AuthorizationCode, error) {
	return row(ctx, db, scanCode, selectCode, blob(hash))
}

// BurnAuthorizationCode marks an unused code as used, for nothing; burning a used or an
// unknown one is no error and writes nothing.
func (db *DB) BurnAuthorizationCode(ctx context.Context, hash []byte, at time.Time, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		n, err := t.exec(burnCode, blob(hash), millis(at))
		if err != nil || n == 0 {
			return err
		}
		return t.record(ev)
	})
}

// RedeemAuthorizationCode moves an unused code of the application, not expired at now, to
// used and inserts the grant: both or neither. Of any number of callers one succeeds; the
// others get ErrConflict, as does a grant for somebody else than who approved, for an
// account that is disabled, or when the session that approved is gone or at its absolute
// limit at now.
func (db *DB) RedeemAuthorizationCode(ctx context.Context, hash []byte, applicationUID string, now time.Time, g Grant, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, redeemCode, blob(hash), applicationUID, millis(now), g.UserID, g.ID[:])
		if err != nil {
			return err
		}
		if err := t.grant(g); err != nil {
			return err
		}
		return t.record(ev)
	})
}

func scanCode(s scanner) (c AuthorizationCode, err error) {
	var ends, auth, created, expires, used int64
	var amr, granted string
	var grant []byte
	err = s.Scan(&c.Hash, &c.ApprovalID, &c.UserID, &c.ApplicationUID, &c.OrganizationID, &c.ClientID, &c.SessionID,
		&ends, &c.ProviderUID, &auth, &amr, &granted, &c.Resource, &c.RedirectURI, &c.Challenge, &c.Nonce,
		&created, &expires, &used, &grant)
	c.AMR, c.Granted = words(amr), words(granted)
	c.SessionEndsAt, c.AuthTime = moment(ends), moment(auth)
	c.CreatedAt, c.ExpiresAt, c.UsedAt = moment(created), moment(expires), moment(used)
	copy(c.GrantID[:], grant)
	return c, err
}
