package store_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// before is the schema that the version before this one made, and these are its
// statements: it runs beside this one while a rollout lasts, and after a rollback.
const (
	before = 2

	grantBefore = `INSERT INTO grants
		(id, user_id, application_uid, organization_id, client_id, scopes, session_id, provider_uid, auth_time, amr,
		created_at, generation, rotated_at, seed, idle_expires_at, expires_at, revoked_at, revoked_reason)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
		WHERE $2 NOT IN (SELECT id FROM users WHERE disabled = 1)`
	deviceBefore = `INSERT INTO device_codes
		(hash, user_code_hash, application_uid, organization_id, client_id, scopes, state, created_at, expires_at, ip, user_agent)
		VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9, $10)`
	disableBefore = `UPDATE users SET disabled = 1 WHERE id = $1 AND deleted_at = 0`
	sessionBefore = `INSERT INTO sessions
		(hash, id, user_id, provider_uid, auth_time, created_at, last_used_at, expires_at, ip, user_agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`
	deleteSessionsBefore = `DELETE FROM sessions WHERE user_id = $1`
)

// actBefore makes a grant and a device code with the statements of the version before.
func actBefore(do func(string, ...any) error, g store.Grant, d store.DeviceCode) error {
	at := storetest.Noon.UnixMilli()
	return errors.Join(
		do(grantBefore, g.ID[:], g.UserID, g.ApplicationUID, g.OrganizationID, g.ClientID, "org:read", "", "local", at, "pwd",
			at, 1, at, g.Seed, at, at, 0, ""),
		do(deviceBefore, d.Hash, d.UserCodeHash, d.ApplicationUID, d.OrganizationID, d.ClientID, "org:read", at, at, d.IP, d.UserAgent))
}

// wantBefore looks for what actBefore made: for the organization's own audience, which is
// all that the version before knew.
func wantBefore(t *testing.T, db *store.DB, g store.Grant, d store.DeviceCode) {
	t.Helper()
	grant, err := db.Grant(t.Context(), g.ID)
	if err != nil || grant.Resource != "" || grant.UserID != g.UserID {
		t.Errorf("grant of %q for %q, %v", grant.UserID, grant.Resource, err)
	}
	code, err := db.DeviceCode(t.Context(), d.Hash)
	if err != nil || code.Resource != "" || code.ClientID != d.ClientID {
		t.Errorf("device code of %q for %q, %v", code.ClientID, code.Resource, err)
	}
}

func TestWhatTheVersionBeforeMadeIsKept(t *testing.T) {
	place := t.TempDir()
	if err := store.MigrateTo(t.Context(), path(place), before); err != nil {
		t.Fatal(err)
	}
	old, err := sql.Open("sqlite", path(place))
	if err != nil {
		t.Fatal(err)
	}
	g, d := storetest.GrantOf(store.User{ID: "usr_1"}), storetest.Pending()
	err = actBefore(func(query string, args ...any) error {
		_, err := old.ExecContext(t.Context(), query, args...)
		return err
	}, g, d)
	if err := errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	wantBefore(t, open(t, place), g, d)
}

func TestTheVersionBeforeKeepsWorkingOnThisSchema(t *testing.T) {
	place := t.TempDir()
	db := open(t, place)
	if err := store.MigrateTo(t.Context(), path(place), before); err != nil {
		t.Fatalf("it does not start: %v", err)
	}
	u := storetest.Person(t, db)
	g, d := storetest.GrantOf(u), storetest.Pending()
	err := db.Job(t.Context(), func(do func(string, ...any) error) error { return actBefore(do, g, d) })
	if err != nil {
		t.Fatal(err)
	}
	wantBefore(t, db, g, d)
}

// TestACodeEndsWithAnAccountThatTheVersionBeforeDisabled: that one burns no codes.
func TestACodeEndsWithAnAccountThatTheVersionBeforeDisabled(t *testing.T) {
	db := open(t, t.TempDir())
	u := storetest.Person(t, db)
	c := storetest.Coded(t, db, storetest.SignedIn(t, db, u))
	err := db.Job(t.Context(), func(do func(string, ...any) error) error {
		return errors.Join(do(disableBefore, u.ID), do(deleteSessionsBefore, u.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.SetDisabled(t.Context(), u.ID, false, storetest.Act("user.enabled")); err != nil {
		t.Fatal(err)
	}
	err = db.RedeemAuthorizationCode(t.Context(), c.Hash, storetest.Application, storetest.Noon.Add(time.Second),
		storetest.GrantOf(u), storetest.Act("grant.created"))
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("redeemed: %v", err)
	}
}

// TestASessionOfTheVersionBeforeWasProvenByAPasswordAlone: it knows nothing else. Of somebody
// with a second factor it is fresh to nobody.
func TestASessionOfTheVersionBeforeWasProvenByAPasswordAlone(t *testing.T) {
	db := open(t, t.TempDir())
	u := storetest.Person(t, db)
	if _, err := db.AddFactor(t.Context(), storetest.FactorOf(u), storetest.Act("factor.added")); err != nil {
		t.Fatal(err)
	}
	hash, at := []byte("hash"), storetest.Noon.UnixMilli()
	err := db.Job(t.Context(), func(do func(string, ...any) error) error {
		return do(sessionBefore, hash, "ses_1", u.ID, "local", at, at, at, at, "192.0.2.1", "curl")
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := db.Session(t.Context(), hash)
	if err != nil || s.UserID != u.ID || s.MultiFactor() || len(s.AMR) != 1 || s.AMR[0] != "pwd" {
		t.Errorf("session of %q, proven by %q, %v", s.UserID, s.AMR, err)
	}
}
