package store

import (
	"context"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	upsertInvitation = `INSERT INTO invitations (hash, id, organization_id, email, invited_by, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (organization_id, email) DO UPDATE SET hash = excluded.hash, id = excluded.id, invited_by = excluded.invited_by,
		created_at = excluded.created_at, expires_at = excluded.expires_at`

	selectInvitations   = `SELECT hash, id, organization_id, email, invited_by, created_at, expires_at FROM invitations`
	selectInvitation    = selectInvitations + ` WHERE hash = $1`
	selectInvitationsTo = selectInvitations + ` WHERE organization_id = $1 ORDER BY email`
	selectAllInvited    = selectInvitations + ` ORDER BY organization_id, email`
	selectInvitedAfter  = selectInvitations + ` WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3`
	selectInvitationIn  = selectInvitations + ` WHERE id = $2 AND organization_id = $1`

	// The hash in the condition makes it one use: of two posts of a link one finds it.
	useInvitation    = `DELETE FROM invitations WHERE hash = $1 AND id = $2 AND expires_at > $3`
	deleteInvitation = `DELETE FROM invitations WHERE id = $1`
)

// Invitation lets whoever has its link become a member of an organization, once. What the
// link carries is kept as a keyed hash.
type Invitation struct {
	Hash           []byte
	ID             string // to name it by: "inv_" and 22 characters
	OrganizationID string
	Email          string // whom it is for, lower-cased; it proves nothing of them
	InvitedBy      string // user ID, or "operator"
	CreatedAt      time.Time
	ExpiresAt      time.Time
}

// CreateInvitation makes an invitation, in place of an earlier one of the address to the
// organization.
func (db *DB) CreateInvitation(ctx context.Context, i Invitation, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(upsertInvitation, blob(i.Hash), i.ID, i.OrganizationID, i.Email, i.InvitedBy, millis(i.CreatedAt), millis(i.ExpiresAt))
		if err != nil {
			return err
		}
		return t.record(ev)
	})
}

// Invitation finds one by the keyed hash of what its link carries. It does not judge its
// age.
func (db *DB) Invitation(ctx context.Context, hash []byte) (Invitation, error) {
	return row(ctx, db, scanInvitation, selectInvitation, blob(hash))
}

// Invitations returns those to an organization, or for the empty ID all, by address. It
// does not judge their age.
func (db *DB) Invitations(ctx context.Context, organizationID string) ([]Invitation, error) {
	if organizationID == "" {
		return all(ctx, db, scanInvitation, selectAllInvited)
	}
	return all(ctx, db, scanInvitation, selectInvitationsTo, organizationID)
}

// InvitationsAfter returns the first so many to an organization whose ID is after this one,
// by ID. It does not judge their age.
func (db *DB) InvitationsAfter(ctx context.Context, organizationID, after string, limit int) ([]Invitation, error) {
	return all(ctx, db, scanInvitation, selectInvitedAfter, organizationID, after, limit)
}

// InvitationIn finds one to an organization by its ID. It does not judge its age.
func (db *DB) InvitationIn(ctx context.Context, organizationID, id string) (Invitation, error) {
	return row(ctx, db, scanInvitation, selectInvitationIn, organizationID, id)
}

// AcceptInvitation uses up an invitation and makes the account a member: nothing else of it
// changes. ErrNotFound: it was used, revoked or replaced, or is too old at ev.Time;
// ErrConflict: the account is disabled.
func (db *DB) AcceptInvitation(ctx context.Context, i Invitation, userID string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.useInvitation(i, ev.Time); err != nil {
			return err
		}
		if err := t.insertMembership(userID, i.membership(ev.Time)); err != nil {
			return err
		}
		return t.accountChanged(userID, ev)
	})
}

// RegisterInvited uses up an invitation and adds an account that is a member.
// ErrNotFound as for AcceptInvitation; ErrConflict: the address is taken.
func (db *DB) RegisterInvited(ctx context.Context, i Invitation, u User, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.useInvitation(i, ev.Time); err != nil {
			return err
		}
		if err := t.createUser(u); err != nil {
			return err
		}
		if err := t.insertMembership(u.ID, i.membership(ev.Time)); err != nil {
			return err
		}
		return t.record(ev)
	})
}

// EndInvitation takes an invitation back, or away for who declined it. ErrNotFound: it was
// used, or there never was one.
func (db *DB) EndInvitation(ctx context.Context, id string, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		if err := t.one(ErrNotFound, deleteInvitation, id); err != nil {
			return err
		}
		return t.record(ev)
	})
}

func (t *tx) useInvitation(i Invitation, now time.Time) error {
	return t.one(ErrNotFound, useInvitation, blob(i.Hash), i.ID, millis(now))
}

func (i *Invitation) membership(at time.Time) model.Membership {
	return model.Membership{OrganizationID: i.OrganizationID, Source: model.MemberByInvitation, At: at}
}

func scanInvitation(s scanner) (i Invitation, err error) {
	var created, expires int64
	err = s.Scan(&i.Hash, &i.ID, &i.OrganizationID, &i.Email, &i.InvitedBy, &created, &expires)
	i.CreatedAt, i.ExpiresAt = moment(created), moment(expires)
	return i, err
}
