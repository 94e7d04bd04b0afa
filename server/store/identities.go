package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	insertIdentity = `INSERT INTO identities (provider_uid, subject, user_id, email, email_proven_at, name,
		group_names, groups_at, created_at, last_used_at, checked_at, renewal)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
		WHERE NOT EXISTS (` + disabledAccount + `$3)
		AND NOT EXISTS (SELECT 1 FROM identities WHERE provider_uid = $1 AND subject = $2)`

	selectIdentities = `SELECT provider_uid, subject, user_id, email, email_proven_at, name, group_names, groups_at,
		created_at, last_used_at, checked_at FROM identities`
	selectIdentitiesOfUser = selectIdentities + ` WHERE user_id = $1 ORDER BY created_at, provider_uid, subject`

	selectOwner   = `SELECT user_id FROM identities WHERE provider_uid = $1 AND subject = $2`
	updateRenewal = `UPDATE identities SET renewal = $3 WHERE provider_uid = $1 AND subject = $2`
	selectRenewal = `SELECT renewal FROM identities WHERE provider_uid = $1 AND subject = $2`

	// Since when an address is proven stays for as long as the provider says the same one.
	updateIdentity = `UPDATE identities SET
		email_proven_at = CASE WHEN email = $4 AND email_proven_at > 0 AND $5 > 0 THEN email_proven_at ELSE $5 END,
		email = $4, name = $6, group_names = $7, groups_at = $8, last_used_at = $9, checked_at = $10, renewal = $11
		WHERE provider_uid = $1 AND subject = $2 AND user_id = $3 AND NOT EXISTS (` + disabledAccount + `$3)`

	// A name that the person chose stays. What others see of an account that is not signed in
	// to by this provider alone is not for it to say: other organizations see that too.
	updateNameFrom = `UPDATE users SET name = $4 WHERE id = $3 AND $4 <> '' AND email = id
		AND name = (SELECT name FROM identities WHERE provider_uid = $1 AND subject = $2)
		AND NOT EXISTS (SELECT 1 FROM identities WHERE user_id = $3 AND provider_uid <> $1)`
	updateContact = `UPDATE users SET contact = $3 WHERE id = $2 AND $3 <> '' AND deleted_at = 0
		AND NOT EXISTS (SELECT 1 FROM identities WHERE user_id = $2 AND provider_uid <> $1)`

	// The last way into an account stays: a password, or another identity.
	deleteIdentity = `DELETE FROM identities WHERE provider_uid = $1 AND subject = $2 AND user_id = $3
		AND (EXISTS (SELECT 1 FROM users WHERE id = $3 AND password_hash <> '')
		OR EXISTS (SELECT 1 FROM identities WHERE user_id = $3 AND NOT (provider_uid = $1 AND subject = $2)))`
	deleteIdentitiesOfUser = `DELETE FROM identities WHERE user_id = $1`

	checkIdentity = `UPDATE identities SET checked_at = $3 WHERE provider_uid = $1 AND subject = $2`
	// What a provider said of somebody whom it does not know any more is worth nothing.
	emptyIdentity = `UPDATE identities SET email_proven_at = 0, group_names = '[]', checked_at = $4, renewal = x''
		WHERE provider_uid = $1 AND subject = $2 AND user_id = $3`

	deleteSessionsByProvider = `DELETE FROM sessions WHERE user_id = $1 AND provider_uid = $2 RETURNING id`
	deleteSignInsByProvider  = `DELETE FROM sign_ins WHERE provider_uid = $2
		AND session_id IN (SELECT id FROM sessions WHERE user_id = $1)`
	burnCodesByProvider = `UPDATE authorization_codes SET used_at = $3
		WHERE user_id = $1 AND provider_uid = $2 AND used_at = 0`
	denyDevicesByProvider = `UPDATE device_codes SET state = 'denied'
		WHERE user_id = $1 AND user_id <> '' AND provider_uid = $2 AND state = 'approved' RETURNING hash`
	revokeGrantsByProvider = `UPDATE grants SET revoked_at = $3, revoked_reason = $4
		WHERE user_id = $1 AND provider_uid = $2 AND revoked_at = 0 RETURNING id`

	insertMembership = `INSERT INTO memberships (user_id, organization_id, source, provider_uid, created_at)
		SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (` + disabledAccount + `$1)
		ON CONFLICT (user_id, organization_id, source, provider_uid) DO UPDATE SET created_at = excluded.created_at`
	selectMembershipsOfUser = `SELECT organization_id, source, provider_uid, created_at FROM memberships
		WHERE user_id = $1 ORDER BY organization_id, source, provider_uid`
	selectMembers           = `SELECT user_id, organization_id, source, provider_uid, created_at FROM memberships WHERE organization_id = $1 ORDER BY user_id, source, provider_uid`
	deleteMembership        = `DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2`
	deleteMembershipsBy     = `DELETE FROM memberships WHERE user_id = $1 AND provider_uid = $2 AND provider_uid <> ''`
	deleteMembershipsOfUser = `DELETE FROM memberships WHERE user_id = $1`

	selectProving = `SELECT DISTINCT provider_uid, user_id FROM identities WHERE email = $1 AND email <> '' AND email_proven_at > 0 ORDER BY user_id`

	// An address that nobody proved is nobody's: whoever claimed it keeps the account, and
	// no way into it.
	dropClaim = `UPDATE users SET email = id, password_hash = '' WHERE email = $1 AND email <> id AND deleted_at = 0
		AND NOT EXISTS (SELECT 1 FROM email_proofs WHERE address = $1) RETURNING id`
)

// CreateUserWithIdentity adds an account that is signed in to by this identity, and its
// memberships. ErrConflict: the identity belongs to somebody, or Login is taken.
func (db *DB) CreateUserWithIdentity(ctx context.Context, u User, i Identity, memberships []model.Membership, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.createUser(u); err != nil {
			return err
		}
		i.UserID = u.ID
		if err := t.insertIdentity(i); err != nil {
			return err
		}
		for _, m := range memberships {
			if err := t.insertMembership(u.ID, m); err != nil {
				return err
			}
		}
		return t.record(ev)
	})
}

// UserByIdentity finds the account that an identity belongs to.
func (db *DB) UserByIdentity(ctx context.Context, providerUID, subject string) (User, error) {
	id, err := row(ctx, db, scanText, selectOwner, providerUID, subject)
	if err != nil {
		return User{}, err
	}
	return db.User(ctx, id)
}

// LinkIdentity gives an identity that nobody has to an account. ErrConflict: it belongs to
// somebody, or the account is disabled.
func (db *DB) LinkIdentity(ctx context.Context, i Identity, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.insertIdentity(i); err != nil {
			return err
		}
		return t.accountChanged(i.UserID, ev)
	})
}

// UpdateIdentity keeps what the provider says now, at a sign-in, and a membership that it
// gives. An account that is signed in to by this provider alone shows the address, and the
// name unless its owner chose another. ErrNotFound: the identity is not this account's, or the account is
// disabled.
func (db *DB) UpdateIdentity(ctx context.Context, i Identity, memberships []model.Membership, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if _, err := t.exec(updateNameFrom, i.ProviderUID, i.Subject, i.UserID, i.Name); err != nil {
			return err
		}
		err := t.one(ErrNotFound, updateIdentity, i.ProviderUID, i.Subject, i.UserID, i.Email, millis(i.EmailProvenAt), i.Name,
			listed(i.Groups), millis(i.GroupsAt), millis(i.LastUsedAt), millis(i.CheckedAt), blob(i.Renewal))
		if err != nil {
			return err
		}
		if _, err := t.exec(updateContact, i.ProviderUID, i.UserID, i.Email); err != nil {
			return err
		}
		for _, m := range memberships {
			if err := t.insertMembership(i.UserID, m); err != nil {
				return err
			}
		}
		return t.accountChanged(i.UserID, ev)
	})
}

// UnlinkIdentity takes an identity from its account, with what was opened by the provider
// for it: sessions, grants, approvals, memberships. ErrConflict: it is not this account's,
// or the last way into it.
func (db *DB) UnlinkIdentity(ctx context.Context, userID, providerUID, subject string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrConflict, deleteIdentity, providerUID, subject, userID); err != nil {
			return err
		}
		if err := t.endSignInsBy(userID, providerUID, "identity removed", ev); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

// LoseIdentity is for an identity that its provider does not know any more: it stays, and
// what the provider said of it is worth nothing, nor what was opened by it.
func (db *DB) LoseIdentity(ctx context.Context, userID, providerUID, subject string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, emptyIdentity, providerUID, subject, userID, millis(ev.Time)); err != nil {
			return err
		}
		if err := t.endSignInsBy(userID, providerUID, "account upstream is gone", ev); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

// IdentityChecked remembers that the provider knows the identity. ErrNotFound: it is gone.
func (db *DB) IdentityChecked(ctx context.Context, providerUID, subject string, at time.Time) error {
	return db.write(ctx, func(t *tx) error { return t.one(ErrNotFound, checkIdentity, providerUID, subject, millis(at)) })
}

// Renewal is what the provider of an identity can be asked with again, sealed.
func (db *DB) Renewal(ctx context.Context, providerUID, subject string) ([]byte, error) {
	return row(ctx, db, func(s scanner) (b []byte, err error) { return b, s.Scan(&b) }, selectRenewal, providerUID, subject)
}

// SetRenewal keeps what the provider is to be asked with next. ErrNotFound: the identity is
// gone.
func (db *DB) SetRenewal(ctx context.Context, providerUID, subject string, renewal []byte) error {
	return db.write(ctx, func(t *tx) error { return t.one(ErrNotFound, updateRenewal, providerUID, subject, blob(renewal)) })
}

// AddMembership makes somebody a member. ErrConflict: the account is disabled or gone.
func (db *DB) AddMembership(ctx context.Context, userID string, m model.Membership, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.insertMembership(userID, m); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

// Member is a membership with whose it is.
type Member struct {
	UserID string
	model.Membership
}

// Members returns the memberships of an organization, by user ID.
func (db *DB) Members(ctx context.Context, organizationID string) ([]Member, error) {
	return all(ctx, db, func(s scanner) (m Member, err error) {
		var at int64
		err = s.Scan(&m.UserID, &m.OrganizationID, &m.Source, &m.ProviderUID, &at)
		m.At = moment(at)
		return m, err
	}, selectMembers, organizationID)
}

// Proving says which accounts have proven an address by which providers; that of who
// signs in with it here is not among them.
func (db *DB) Proving(ctx context.Context, address string) ([]Identity, error) {
	return all(ctx, db, func(s scanner) (i Identity, err error) { return i, s.Scan(&i.ProviderUID, &i.UserID) }, selectProving, address)
}

// DropClaim takes an address from the account that claims to sign in with it and never
// proved it; everything that was opened there ends. There may be none.
func (db *DB) DropClaim(ctx context.Context, address string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		ids, err := t.ids(dropClaim, address)
		if err != nil {
			return err
		}
		for _, id := range ids {
			ev.Target = string(id)
			if err := t.endEverythingOf(ev.Target, ev.Time, "address proven by somebody else"); err != nil {
				return err
			}
			if err := t.accountChanged(ev.Target, ev); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) insertIdentity(i Identity) error {
	return t.one(ErrConflict, insertIdentity, i.ProviderUID, i.Subject, i.UserID, i.Email, millis(i.EmailProvenAt), i.Name,
		listed(i.Groups), millis(i.GroupsAt), millis(i.CreatedAt), millis(i.LastUsedAt), millis(i.CheckedAt), blob(i.Renewal))
}

func (t *tx) insertMembership(userID string, m model.Membership) error {
	return t.one(ErrConflict, insertMembership, userID, m.OrganizationID, m.Source, m.ProviderUID, millis(m.At))
}

// accountChanged tells caches, and records the event.
func (t *tx) accountChanged(userID string, ev Event) error {
	if err := t.changed(ev.Time, userChanged, []byte(userID)); err != nil {
		return err
	}
	return t.record(ev)
}

// endSignInsBy ends what a person opened by a provider, and the memberships that it gave.
func (t *tx) endSignInsBy(userID, providerUID, why string, ev Event) error {
	ended := ev
	ended.Action, ended.Reason = "session.ended", why
	if _, err := t.endSessions(ended, deleteSessionsByProvider, userID, providerUID); err != nil {
		return err
	}
	at := millis(ev.Time)
	if _, err := t.exec(deleteSignInsByProvider, userID, providerUID); err != nil {
		return err
	}
	if _, err := t.exec(burnCodesByProvider, userID, providerUID, at); err != nil {
		return err
	}
	if _, err := t.changedAll(ev.Time, deviceChanged, denyDevicesByProvider, userID, providerUID); err != nil {
		return err
	}
	if _, err := t.changedAll(ev.Time, grantChanged, revokeGrantsByProvider, userID, providerUID, at, why); err != nil {
		return err
	}
	_, err := t.exec(deleteMembershipsBy, userID, providerUID)
	return err
}

func scanIdentity(s scanner) (i Identity, err error) {
	var groups string
	var proven, said, created, used, checked int64
	err = s.Scan(&i.ProviderUID, &i.Subject, &i.UserID, &i.Email, &proven, &i.Name, &groups, &said, &created, &used, &checked)
	if err != nil {
		return i, err
	}
	i.EmailProvenAt, i.GroupsAt, i.CreatedAt = moment(proven), moment(said), moment(created)
	i.LastUsedAt, i.CheckedAt = moment(used), moment(checked)
	return i, json.Unmarshal([]byte(groups), &i.Groups)
}

func scanMembership(s scanner) (m model.Membership, err error) {
	var at int64
	err = s.Scan(&m.OrganizationID, &m.Source, &m.ProviderUID, &at)
	m.At = moment(at)
	return m, err
}

func scanText(s scanner) (text string, err error) { return text, s.Scan(&text) }

// listed keeps names that may hold anything.
func listed(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(names) // strings never fail
	return string(text)
}
