package store

import (
	"context"
	"time"
)

// What a mailed link is for.
const (
	LinkVerify   = "verify"   // that the address of an account is its owner's
	LinkChange   = "change"   // that an address is to be that of an account
	LinkRegister = "register" // that somebody has an address, to make an account with it
)

// ProvenByMail is who proved an address whose owner followed a link that was mailed there.
const ProvenByMail = "mail"

// MailLink proves that whoever has it reads what is mailed to an address. What it carries is
// kept as a keyed hash. Of an account, or for a new one, the last of its kind is good.
type MailLink struct {
	Hash      []byte
	Kind      string
	Subject   string // ID of the account; for LinkRegister the address
	Address   string
	CreatedAt time.Time
	ExpiresAt time.Time
}

const (
	upsertMailLink = `INSERT INTO mail_links (hash, kind, subject, address, created_at, expires_at)
		SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (` + disabledAccount + `$3)
		ON CONFLICT (subject, kind) DO UPDATE SET hash = excluded.hash, address = excluded.address,
		created_at = excluded.created_at, expires_at = excluded.expires_at`

	selectMailLink = `SELECT hash, kind, subject, address, created_at, expires_at FROM mail_links WHERE hash = $1`

	// The whole row in the condition: a link does what it was made for, once.
	useMailLink = `DELETE FROM mail_links WHERE hash = $1 AND kind = $2 AND subject = $3 AND address = $4 AND expires_at > $5`

	deleteMailLinksOfUser = `DELETE FROM mail_links WHERE subject = $1 AND kind <> '` + LinkRegister + `'`

	proveLogin = `INSERT INTO email_proofs (address, proven_by, proven_at)
		SELECT email, $3, $4 FROM users WHERE id = $1 AND email = $2 AND disabled = 0 AND deleted_at = 0
		ON CONFLICT (address) DO UPDATE SET proven_by = excluded.proven_by, proven_at = excluded.proven_at`

	updateLogin = `UPDATE users SET email = $2 WHERE id = $1 AND email <> id AND disabled = 0 AND deleted_at = 0`
)

// CreateMailLink makes the link, in place of an earlier one of its kind. ErrConflict: the
// account is disabled.
func (db *DB) CreateMailLink(ctx context.Context, l MailLink, ev Event) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrConflict, upsertMailLink, blob(l.Hash), l.Kind, l.Subject, l.Address, millis(l.CreatedAt), millis(l.ExpiresAt))
		if err != nil {
			return err
		}
		return t.record(ev)
	})
}

// MailLink finds a link by the keyed hash of what it carries. It does not judge its age.
func (db *DB) MailLink(ctx context.Context, hash []byte) (MailLink, error) {
	return row(ctx, db, scanMailLink, selectMailLink, blob(hash))
}

// ProveAddress uses up a LinkVerify: the address that the account signs in with is its
// owner's. ErrNotFound: the link is none in force, the account has another address, or is
// disabled.
func (db *DB) ProveAddress(ctx context.Context, l MailLink, ev Event) error {
	return db.useMailLink(ctx, l, ev, func(t *tx) error {
		if err := t.one(ErrNotFound, proveLogin, l.Subject, l.Address, ProvenByMail, millis(ev.Time)); err != nil {
			return err
		}
		return t.accountChanged(l.Subject, ev)
	})
}

// ChangeAddress uses up a LinkChange: the account signs in with the address, which is proven,
// and what proved the one before is forgotten. Other links of the account are gone.
// ErrNotFound as for ProveAddress, or the account does not sign in here; ErrConflict: the
// address is somebody else's.
func (db *DB) ChangeAddress(ctx context.Context, l MailLink, ev Event) error {
	return db.useMailLink(ctx, l, ev, func(t *tx) error {
		if _, err := t.exec(deleteEmailProof, l.Subject); err != nil {
			return err
		}
		if err := t.one(ErrNotFound, updateLogin, l.Subject, l.Address); err != nil {
			return err
		}
		if err := t.one(ErrNotFound, proveLogin, l.Subject, l.Address, ProvenByMail, millis(ev.Time)); err != nil {
			return err
		}
		for _, query := range [...]string{deleteResetLinksOfUser, deleteMailLinksOfUser} {
			if _, err := t.exec(query, l.Subject); err != nil {
				return err
			}
		}
		return t.accountChanged(l.Subject, ev)
	})
}

// Register uses up a LinkRegister and adds an account that signs in with its address.
// ErrNotFound: the link is none in force; ErrConflict: the address is taken.
func (db *DB) Register(ctx context.Context, l MailLink, u User, ev Event) error {
	return db.useMailLink(ctx, l, ev, func(t *tx) error {
		if u.Login != l.Address {
			return ErrNotFound
		}
		if err := t.createUser(u); err != nil {
			return err
		}
		return t.record(ev)
	})
}

func (db *DB) useMailLink(ctx context.Context, l MailLink, ev Event, then func(*tx) error) error {
	return db.write(ctx, func(t *tx) error {
		err := t.one(ErrNotFound, useMailLink, blob(l.Hash), l.Kind, l.Subject, l.Address, millis(ev.Time))
		if err != nil {
			return err
		}
		return then(t)
	})
}

func scanMailLink(s scanner) (l MailLink, err error) {
	var created, expires int64
	err = s.Scan(&l.Hash, &l.Kind, &l.Subject, &l.Address, &created, &expires)
	l.CreatedAt, l.ExpiresAt = moment(created), moment(expires)
	return l, err
}
