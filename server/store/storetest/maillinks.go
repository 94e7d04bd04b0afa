package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func linkOf(kind, subject, address, name string) store.MailLink {
	return store.MailLink{
		Hash: []byte("hash of " + name), Kind: kind, Subject: subject, Address: address, CreatedAt: Noon, ExpiresAt: Noon.Add(24 * time.Hour),
	}
}

func mailed(t *testing.T, db *store.DB, l store.MailLink) store.MailLink {
	t.Helper()
	must(t, db.CreateMailLink(t.Context(), l, Act("user.address-link-mailed")))
	got, err := db.MailLink(t.Context(), l.Hash)
	must(t, err)
	same(t, "the link", got, l)
	return l
}

func unproven(t *testing.T, db *store.DB) store.User {
	t.Helper()
	u := store.User{ID: "usr_claimant", Email: "claimed@example.com", Login: "claimed@example.com", Name: "x", PasswordHash: "$h$", CreatedAt: Noon}
	must(t, db.CreateUser(t.Context(), u, Act("user.created")))
	return u
}

func mailLinkOnce(t *testing.T, db *store.DB) {
	u := unproven(t, db)
	first := mailed(t, db, linkOf(store.LinkVerify, u.ID, u.Login, "first"))
	l := mailed(t, db, linkOf(store.LinkVerify, u.ID, u.Login, "second"))
	wantErr(t, "one that was replaced", db.ProveAddress(t.Context(), first, Act("user.address-proven")), store.ErrNotFound)
	for what, change := range map[string]func(*store.MailLink, *store.Event){
		"another kind":    func(l *store.MailLink, _ *store.Event) { l.Kind = store.LinkChange },
		"another account": func(l *store.MailLink, _ *store.Event) { l.Subject = "usr_other" },
		"another address": func(l *store.MailLink, _ *store.Event) { l.Address = "other@example.com" },
		"too late":        func(_ *store.MailLink, ev *store.Event) { ev.Time = l.ExpiresAt },
	} {
		other, ev := l, Act("user.address-proven")
		change(&other, &ev)
		wantErr(t, what, db.ProveAddress(t.Context(), other, ev), store.ErrNotFound)
	}
	var proven atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if db.ProveAddress(t.Context(), l, Act("user.address-proven")) == nil {
				proven.Add(1)
			}
		})
	}
	all.Wait()
	same(t, "uses", proven.Load(), int64(1))
	got, err := db.User(t.Context(), u.ID)
	must(t, err)
	same(t, "proven by", got.EmailProvenBy, store.ProvenByMail)
}

func addressChanges(t *testing.T, db *store.DB) {
	u := Person(t, db)
	other := unproven(t, db)
	l := mailed(t, db, linkOf(store.LinkChange, u.ID, "new@example.com", "change"))
	must(t, db.ChangeAddress(t.Context(), l, Act("user.address-changed")))
	got, err := db.UserByEmail(t.Context(), "new@example.com")
	must(t, err)
	same(t, "the account", got.ID, u.ID)
	same(t, "proven by", got.EmailProvenBy, store.ProvenByMail)
	_, err = db.UserByEmail(t.Context(), u.Login)
	wantErr(t, "the old address", err, store.ErrNotFound)
	// Nobody inherits the proof of an address that was left.
	heir := store.User{ID: "usr_heir", Email: u.Login, Login: u.Login, Name: "x", CreatedAt: Noon}
	must(t, db.CreateUser(t.Context(), heir, Act("user.created")))
	got, err = db.User(t.Context(), heir.ID)
	must(t, err)
	same(t, "proven for who comes after", got.EmailProvenBy, "")

	l = mailed(t, db, linkOf(store.LinkChange, u.ID, other.Login, "taken"))
	wantErr(t, "a taken address", db.ChangeAddress(t.Context(), l, Act("user.address-changed")), store.ErrConflict)
	got, err = db.User(t.Context(), u.ID)
	must(t, err)
	same(t, "the address then", got.Login, "new@example.com")
	same(t, "its proof then", got.EmailProvenBy, store.ProvenByMail)
	must(t, db.SetDisabled(t.Context(), u.ID, true, Act("user.disabled")))
	wantErr(t, "a link for who is disabled", db.CreateMailLink(t.Context(), l, Act("x")), store.ErrConflict)
}

func linkRegisters(t *testing.T, db *store.DB) {
	l := mailed(t, db, linkOf(store.LinkRegister, "new@example.com", "new@example.com", "register"))
	u := store.User{ID: "usr_new", Email: l.Address, Login: l.Address, Name: "x", CreatedAt: Noon, EmailProvenBy: store.ProvenByMail, EmailProvenAt: Noon}
	another := u
	another.Login = "other@example.com"
	wantErr(t, "for another address", db.Register(t.Context(), l, another, Act("user.created")), store.ErrNotFound)
	must(t, db.Register(t.Context(), l, u, Act("user.created")))
	u.ID = "usr_newer"
	wantErr(t, "again", db.Register(t.Context(), l, u, Act("user.created")), store.ErrNotFound)
	l = mailed(t, db, linkOf(store.LinkRegister, "new@example.com", "new@example.com", "second"))
	wantErr(t, "a taken address", db.Register(t.Context(), l, u, Act("user.created")), store.ErrConflict)
}

func linksEnd(t *testing.T, db *store.DB) {
	u := Person(t, db)
	s := SignedIn(t, db, u)
	for name, act := range map[string]func() error{
		"a new password": func() error {
			s.Proven = u.PasswordHash
			return db.ChangePassword(t.Context(), s, "$new$", false, Act("user.password-changed"))
		},
		"disabling": func() error { return db.SetDisabled(t.Context(), u.ID, true, Act("user.disabled")) },
	} {
		must(t, db.SetDisabled(t.Context(), u.ID, false, Act("user.enabled")))
		if name == "a new password" {
			s = SignedIn(t, db, u)
		}
		l := mailed(t, db, linkOf(store.LinkChange, u.ID, "new@example.com", name))
		if err := act(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := db.MailLink(t.Context(), l.Hash)
		wantErr(t, "a link after "+name, err, store.ErrNotFound)
	}
	l := mailed(t, db, linkOf(store.LinkRegister, "x@example.com", "x@example.com", "old"))
	_, err := db.Sweep(t.Context(), l.ExpiresAt)
	must(t, err)
	_, err = db.MailLink(t.Context(), l.Hash)
	wantErr(t, "after its time", err, store.ErrNotFound)
}
