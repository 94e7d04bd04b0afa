package store

import (
	"context"
	"time"
)

const (
	insertDeviceCode = `INSERT INTO device_codes
		(hash, user_code_hash, application_uid, organization_id, client_id, scopes, state, created_at, expires_at, ip, user_agent,
		resource)
		VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, $10, $11)`

	selectDeviceCode = `SELECT hash, user_code_hash, application_uid, organization_id, client_id, scopes, state,
		created_at, expires_at, ip, user_agent, resource, user_id, provider_uid, auth_time, amr, granted FROM device_codes`
	selectDeviceCodeByHash     = selectDeviceCode + ` WHERE hash = $1`
	selectDeviceCodeByUserCode = selectDeviceCode + ` WHERE user_code_hash = $1`

	// Each step names the state it starts from and the clock (RFC 8628 section 3.5): the
	// condition is the lock.
	approveDeviceCode = `UPDATE device_codes
		SET state = 'approved', user_id = $3, provider_uid = $4, auth_time = $5, amr = $6, granted = $7
		WHERE hash = $1 AND state = 'pending' AND expires_at > $2
		AND NOT EXISTS (` + disabledAccount + `$3)
		AND ($8 = '' OR EXISTS (SELECT 1 FROM sessions WHERE id = $8 AND user_id = $3 AND expires_at > $2))`
	denyDeviceCode = `UPDATE device_codes SET state = 'denied'
		WHERE hash = $1 AND state = 'pending' AND expires_at > $2`
	consumeDeviceCode = `UPDATE device_codes SET state = 'consumed'
		WHERE hash = $1 AND application_uid = $2 AND state = 'approved' AND expires_at > $3 AND user_id = $4`
)

// CreateDeviceCode adds a pending authorization; ErrConflict when the user code is in use.
func (db *DB) CreateDeviceCode(ctx context.Context, d DeviceCode) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(insertDeviceCode, blob(d.Hash), blob(d.UserCodeHash), d.ApplicationUID, d.OrganizationID, d.ClientID,
			joined(d.Scopes), millis(d.CreatedAt), millis(d.ExpiresAt), d.IP, d.UserAgent, d.Resource)
		return err
	})
}

// DeviceCode finds an authorization by the keyed hash of its device_code.
func (db *DB) DeviceCode(ctx context.Context, hash []byte) (DeviceCode, error) {
	return row(ctx, db, scanDeviceCode, selectDeviceCodeByHash, blob(hash))
}

// DeviceCodeByUserCode finds an authorization by the keyed hash of its user_code.
func (db *DB) DeviceCodeByUserCode(ctx context.Context, userCodeHash []byte) (DeviceCode, error) {
	return row(ctx, db, scanDeviceCode, selectDeviceCodeByUserCode, blob(userCodeHash))
}

// ApproveDeviceCode moves a pending authorization that has not expired at now to
// approved; ErrConflict when it is in any other state, the account is disabled, or the
// session that approves has ended.
func (db *DB) ApproveDeviceCode(ctx context.Context, hash []byte, now time.Time, a Approval, ev Event) error {
	return db.moveDeviceCode(ctx, hash, now, ev, approveDeviceCode, blob(hash), millis(now),
		a.UserID, a.ProviderUID, millis(a.AuthTime), joined(a.AMR), joined(a.Granted), a.SessionID)
}

// DenyDeviceCode moves a pending authorization that has not expired at now to denied;
// ErrConflict when it is in any other state.
func (db *DB) DenyDeviceCode(ctx context.Context, hash []byte, now time.Time, ev Event) error {
	return db.moveDeviceCode(ctx, hash, now, ev, denyDeviceCode, blob(hash), millis(now))
}

func (db *DB) moveDeviceCode(ctx context.Context, hash []byte, now time.Time, ev Event, query string, args ...any) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrConflict, query, args...); err != nil {
			return err
		}
		if err := t.changed(now, deviceChanged, hash); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// ConsumeDeviceCode moves an approved authorization of the application, not expired at
// now, to consumed and inserts the grant: both or neither. Of any number of callers one
// succeeds; the others get ErrConflict, as does a grant for somebody else than who
// approved, or for an account that is disabled.
func (db *DB) ConsumeDeviceCode(ctx context.Context, hash []byte, applicationUID string, now time.Time, g Grant, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, consumeDeviceCode, blob(hash), applicationUID, millis(now), g.UserID)
		if err != nil {
			return err
		}
		if err := t.grant(g); err != nil {
			return err
		}
		if err := t.changed(now, deviceChanged, hash); err != nil {
			return err
		}
		return t.record(ev)
	})
}

func scanDeviceCode(s scanner) (d DeviceCode, err error) {
	var created, expires, auth int64
	var scopes, amr, granted string
	err = s.Scan(&d.Hash, &d.UserCodeHash, &d.ApplicationUID, &d.OrganizationID, &d.ClientID, &scopes, &d.State,
		&created, &expires, &d.IP, &d.UserAgent, &d.Resource, &d.UserID, &d.ProviderUID, &auth, &amr, &granted)
	d.CreatedAt, d.ExpiresAt, d.AuthTime = moment(created), moment(expires), moment(auth)
	d.Scopes, d.AMR, d.Granted = words(scopes), words(amr), words(granted)
	return d, err
}
