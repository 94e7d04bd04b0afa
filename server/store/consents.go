package store

import (
	"context"
	"time"
)

const (
	upsertConsent = `INSERT INTO consents (user_id, application_uid, organization_id, scopes, granted_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, application_uid, organization_id) DO UPDATE
		SET scopes = excluded.scopes, granted_at = excluded.granted_at, expires_at = excluded.expires_at`

	selectConsents = `SELECT user_id, application_uid, organization_id, scopes, granted_at, expires_at FROM consents
		WHERE user_id = $1`
	selectConsent        = selectConsents + ` AND application_uid = $2 AND organization_id = $3`
	selectConsentsOfUser = selectConsents + ` ORDER BY application_uid, organization_id`

	deleteConsent = `DELETE FROM consents WHERE user_id = $1 AND application_uid = $2 AND organization_id = $3`

	revokeGrantsOfConsent = `UPDATE grants SET revoked_at = $4, revoked_reason = $5
		WHERE user_id = $1 AND application_uid = $2 AND organization_id = $3 AND revoked_at = 0 RETURNING id`

	deleteConsentsOfUser = `DELETE FROM consents WHERE user_id = $1`
)

// Consent finds what the person has let the application do in the organization. It does
// not judge its age.
func (db *DB) Consent(ctx context.Context, userID, applicationUID, organizationID string) (Consent, error) {
	return row(ctx, db, scanConsent, selectConsent, userID, applicationUID, organizationID)
}

// ConsentsOf returns a person's consents, ordered by application and organization. It
// does not judge their age.
func (db *DB) ConsentsOf(ctx context.Context, userID string) ([]Consent, error) {
	return all(ctx, db, scanConsent, selectConsentsOfUser, userID)
}

// RevokeConsent takes back what the person has let the application do in the
// organization: the consent goes, the grants are revoked, codes not yet redeemed are
// burned. Grants and codes end even where no consent is remembered. It reports whether
// there was anything of these; if not, it is no error and writes nothing.
func (db *DB) RevokeConsent(ctx context.Context, userID, applicationUID, organizationID string, at time.Time, ev Event) (bool, error) {
	found := false
	err := db.write(ctx, func(t *tx) error {
		consents, err := t.exec(deleteConsent, userID, applicationUID, organizationID)
		if err != nil {
			return err
		}
		codes, err := t.exec(burnCodesOfConsent, userID, applicationUID, organizationID, millis(at))
		if err != nil {
			return err
		}
		grants, err := t.changedAll(at, grantChanged, revokeGrantsOfConsent,
			userID, applicationUID, organizationID, millis(at), "consent revoked")
		if found = consents+codes > 0 || grants > 0; err != nil || !found {
			return err
		}
		return t.record(ev)
	})
	if err != nil {
		return false, err
	}
	return found, nil
}

// consent remembers c in place of what was remembered before.
func (t *tx) consent(c Consent) error {
	_, err := t.exec(upsertConsent, c.UserID, c.ApplicationUID, c.OrganizationID, joined(c.Scopes),
		millis(c.GrantedAt), millis(c.ExpiresAt))
	return err
}

func scanConsent(s scanner) (c Consent, err error) {
	var scopes string
	var granted, expires int64
	err = s.Scan(&c.UserID, &c.ApplicationUID, &c.OrganizationID, &scopes, &granted, &expires)
	c.Scopes, c.GrantedAt, c.ExpiresAt = words(scopes), moment(granted), moment(expires)
	return c, err
}
