package store

import (
	"context"
	"errors"
	"time"
)

const (
	insertUser = `INSERT INTO users (id, email, name, password_hash, disabled, created_at, contact)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`

	insertEmailProof = `INSERT INTO email_proofs (address, proven_by, proven_at) VALUES ($1, $2, $3)
		ON CONFLICT (address) DO UPDATE SET proven_by = excluded.proven_by, proven_at = excluded.proven_at`

	// An account that has no sign-in here has its ID in the place of the address.
	selectUser = `SELECT u.id, u.email, u.contact, u.name, u.password_hash, u.disabled, u.created_at,
		COALESCE(p.proven_by, ''), COALESCE(p.proven_at, 0), EXISTS (` + factorOf + `u.id)
		FROM users u LEFT JOIN email_proofs p ON p.address = u.email`
	selectUserByID    = selectUser + ` WHERE u.id = $1 AND u.deleted_at = 0`
	selectUserByEmail = selectUser + ` WHERE u.email = $1 AND u.email <> u.id AND u.deleted_at = 0`
	selectUsers       = selectUser + ` WHERE u.deleted_at = 0 ORDER BY CASE WHEN u.email = u.id THEN u.contact ELSE u.email END, u.id`

	updatePassword = `UPDATE users SET password_hash = $2 WHERE id = $1 AND deleted_at = 0`
	// Whoever proved a password that is not the account's any more changes nothing by it.
	replacePassword = updatePassword + ` AND password_hash = $3`
	updateName      = `UPDATE users SET name = $2 WHERE id = $1 AND deleted_at = 0`
	updateDisabled  = `UPDATE users SET disabled = $2 WHERE id = $1 AND deleted_at = 0`

	deleteEmailProof = `DELETE FROM email_proofs WHERE address = (SELECT email FROM users WHERE id = $1)`
	// The row stays, disabled: its ID is never free again (OpenID Connect Core section 2:
	// sub is never reassigned), and whatever asks disabledAccount refuses it.
	deleteUser = `UPDATE users SET email = id, contact = '', name = '', password_hash = '', disabled = 1, created_at = 0, deleted_at = $2
		WHERE id = $1 AND deleted_at = 0`

	deleteSessionsOfUser = `DELETE FROM sessions WHERE user_id = $1`
	denyDevicesOfUser    = `UPDATE device_codes SET state = 'denied'
		WHERE user_id = $1 AND user_id <> '' AND state = 'approved' RETURNING hash`
	revokeGrantsOfUser = `UPDATE grants SET revoked_at = $2, revoked_reason = $3
		WHERE user_id = $1 AND revoked_at = 0 RETURNING id`

	// disabledAccount wants a user's ID at its end. Whoever acts for a person asks it in the
	// act itself: the account may have been disabled since it was looked at.
	disabledAccount = `SELECT 1 FROM users WHERE disabled = 1 AND id = `
)

// CreateUser adds an account. ErrConflict: the address is taken.
func (db *DB) CreateUser(ctx context.Context, u User, ev Event) error {
	return db.CreateUsers(ctx, []User{u}, ev)
}

// CreateUsers adds all accounts or none; each leaves the event, with its ID as target.
// ErrConflict: an address is taken.
func (db *DB) CreateUsers(ctx context.Context, users []User, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		for _, u := range users {
			if err := t.createUser(u); err != nil {
				return err
			}
			ev.Target = u.ID
			if err := t.record(ev); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) createUser(u User) error {
	email, contact := u.Login, ""
	if u.Login == "" {
		email, contact = u.ID, u.Email
	}
	_, err := t.exec(insertUser, u.ID, email, u.Name, u.PasswordHash, number(u.Disabled), millis(u.CreatedAt), contact)
	if err != nil || u.EmailProvenBy == "" {
		return err
	}
	_, err = t.exec(insertEmailProof, u.Login, u.EmailProvenBy, millis(u.EmailProvenAt))
	return err
}

// User finds an account by its ID.
func (db *DB) User(ctx context.Context, id string) (User, error) {
	return db.user(ctx, selectUserByID, id)
}

// UserByEmail finds the account that signs in here with this address, lower-cased. Others
// may show the same address.
func (db *DB) UserByEmail(ctx context.Context, email string) (User, error) {
	return db.user(ctx, selectUserByEmail, email)
}

// user reads one account whole. That there is none takes as long to find out (ASVS 6.3.8).
func (db *DB) user(ctx context.Context, query string, args ...any) (User, error) {
	u, missing := row(ctx, db, scanUser, query, args...)
	if missing != nil && !errors.Is(missing, ErrNotFound) {
		return User{}, missing
	}
	var err error
	if u.Identities, err = all(ctx, db, scanIdentity, selectIdentitiesOfUser, u.ID); err != nil {
		return User{}, err
	}
	u.Memberships, err = all(ctx, db, scanMembership, selectMembershipsOfUser, u.ID)
	if err != nil {
		return User{}, err
	}
	if missing != nil {
		return User{}, missing
	}
	return u, nil
}

// Users returns every account, ordered by address, without identities and memberships.
func (db *DB) Users(ctx context.Context) ([]User, error) {
	return all(ctx, db, scanUser, selectUsers)
}

// SetPassword replaces the password hash that was; it does not end sessions. ErrNotFound:
// the account has another one meanwhile, or is gone.
func (db *DB) SetPassword(ctx context.Context, userID, was, hash string, ev Event) error {
	return db.changeUser(ctx, ev, replacePassword, userID, hash, was)
}

// SetName changes the name that others see.
func (db *DB) SetName(ctx context.Context, userID, name string, ev Event) error {
	return db.changeUser(ctx, ev, updateName, userID, name)
}

// changeUser runs a statement that changes one account, of which it takes the ID first.
func (db *DB) changeUser(ctx context.Context, ev Event, query, userID string, args ...any) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, query, append([]any{userID}, args...)...); err != nil {
			return err
		}
		if err := t.changed(ev.Time, userChanged, []byte(userID)); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// SetDisabled disables or enables an account. Disabling ends the person's sessions,
// revokes their grants and takes back their approvals that no device or application has
// redeemed yet, in the same transaction. Consents stay.
func (db *DB) SetDisabled(ctx context.Context, userID string, disabled bool, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, updateDisabled, userID, number(disabled)); err != nil {
			return err
		}
		if err := t.changed(ev.Time, userChanged, []byte(userID)); err != nil {
			return err
		}
		if disabled {
			if err := t.endEverythingOf(userID, ev.Time, "account disabled"); err != nil {
				return err
			}
		}
		return t.record(ev)
	})
}

// DeleteUser forgets a person: sessions end, grants are revoked, approvals that no device
// has redeemed are taken back, and address, name, password, factors, proofs, consents and codes go.
// The ID is never used again; the address is free for another account, which inherits
// nothing.
func (db *DB) DeleteUser(ctx context.Context, userID string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.exec(deleteEmailProof, userID); err != nil {
			return err
		}
		if err := t.one(ErrNotFound, deleteUser, userID, millis(ev.Time)); err != nil {
			return err
		}
		if err := t.changed(ev.Time, userChanged, []byte(userID)); err != nil {
			return err
		}
		if err := t.endEverythingOf(userID, ev.Time, "account deleted"); err != nil {
			return err
		}
		for _, query := range [...]string{deleteConsentsOfUser, deleteCodesOfUser, deleteFactorsOfUser, deleteRecoveryCodes,
			deleteIdentitiesOfUser, deleteMembershipsOfUser, deleteToldOfUser} {
			if _, err := t.exec(query, userID); err != nil {
				return err
			}
		}
		return t.record(ev)
	})
}

func (t *tx) endEverythingOf(userID string, at time.Time, reason string) error {
	for _, query := range [...]string{deleteResetLinksOfUser, deleteMailLinksOfUser, deleteSignInsOfUser, deleteSessionsOfUser} {
		if _, err := t.exec(query, userID); err != nil {
			return err
		}
	}
	if err := t.tell(tellOfUser, deleteLoginsOfUser, userID, at); err != nil {
		return err
	}
	if _, err := t.exec(burnCodesOfUser, userID, millis(at)); err != nil {
		return err
	}
	if _, err := t.changedAll(at, deviceChanged, denyDevicesOfUser, userID); err != nil {
		return err
	}
	_, err := t.changedAll(at, grantChanged, revokeGrantsOfUser, userID, millis(at), reason)
	return err
}

// changedAll runs a statement that returns the identifiers of what it changed, and reports
// how many there were.
func (t *tx) changedAll(at time.Time, what, query string, args ...any) (int, error) {
	ids, err := t.ids(query, args...)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := t.changed(at, what, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func scanUser(s scanner) (u User, err error) {
	var created, proven int64
	err = s.Scan(&u.ID, &u.Login, &u.Email, &u.Name, &u.PasswordHash, &u.Disabled, &created, &u.EmailProvenBy, &proven, &u.SecondFactor)
	u.CreatedAt, u.EmailProvenAt = moment(created), moment(proven)
	if u.Login == u.ID {
		u.Login = ""
	} else {
		u.Email = u.Login
	}
	return u, err
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
