package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Noon is the time of every test.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Application is who the codes and grants are made for.
const Application = "7d0c4a0e-0000-4000-8000-000000000001"

func bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// Person makes an account and inserts it.
func Person(t testing.TB, db *store.DB) store.User {
	t.Helper()
	name := rand.Text()
	u := store.User{
		ID: "usr_" + name[:22], Email: name + "@example.com", Login: name + "@example.com", Name: "Ada Lovelace", PasswordHash: "$argon2id$",
		CreatedAt: Noon, EmailProvenBy: "operator", EmailProvenAt: Noon,
	}
	must(t, db.CreateUser(t.Context(), u, Act("user.created")))
	return u
}

// Act is an event of that kind at noon.
func Act(action string) store.Event {
	return store.Event{Time: Noon, Actor: "operator", Action: action, IP: "192.0.2.1", RequestID: "r1", Outcome: "ok"}
}

// SessionOf makes a session; it is not inserted.
func SessionOf(u store.User) store.Session {
	return store.Session{
		Hash: bytes(32), ID: "ses_" + rand.Text()[:22], UserID: u.ID, ProviderUID: "local", AuthTime: Noon,
		CreatedAt: Noon, LastUsedAt: Noon, ExpiresAt: Noon.Add(24 * time.Hour), IP: "192.0.2.1", UserAgent: "curl",
		AMR: []string{"pwd"},
	}
}

// Pending makes a device authorization; it is not inserted.
func Pending() store.DeviceCode {
	return store.DeviceCode{
		Hash: bytes(32), UserCodeHash: bytes(32), ApplicationUID: Application, OrganizationID: "org_1", ClientID: "cli",
		Scopes: []string{"org:read", "project:read"}, State: store.DevicePending, CreatedAt: Noon,
		ExpiresAt: Noon.Add(10 * time.Minute), IP: "198.51.100.7", UserAgent: "cli/1", Resource: "https://api.example.com",
	}
}

// ApprovalOf is what the person agreed to.
func ApprovalOf(u store.User) store.Approval {
	return store.Approval{UserID: u.ID, ProviderUID: "local", AuthTime: Noon, AMR: []string{"pwd"}, Granted: []string{"org:read"}}
}

// GrantOf makes a grant of the first generation; it is not inserted.
func GrantOf(u store.User) store.Grant {
	return store.Grant{
		ID: [16]byte(bytes(16)), UserID: u.ID, ApplicationUID: Application, OrganizationID: "org_1", ClientID: "cli",
		Scopes: []string{"org:read"}, ProviderUID: "local", AuthTime: Noon, AMR: []string{"pwd"}, CreatedAt: Noon,
		Generation: 1, RotatedAt: Noon, Seed: bytes(16), IdleExpiresAt: Noon.Add(time.Hour), ExpiresAt: Noon.Add(24 * time.Hour),
		Resource: "https://api.example.com",
	}
}

// CodeOf makes an authorization code approved in the session; it is not inserted.
func CodeOf(s store.Session) store.AuthorizationCode {
	return store.AuthorizationCode{
		Hash: bytes(32), ApprovalID: bytes(16), UserID: s.UserID, ApplicationUID: Application, OrganizationID: "org_1",
		ClientID: "web", SessionID: s.ID, SessionEndsAt: s.ExpiresAt, ProviderUID: s.ProviderUID, AuthTime: s.AuthTime, AMR: []string{"pwd"},
		Granted: []string{"openid", "org:read"}, Resource: "https://api.example.com", RedirectURI: "https://app.example.com/cb",
		Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Nonce: "n-0S6_WzA2Mj", CreatedAt: Noon,
		ExpiresAt: Noon.Add(time.Minute),
	}
}

// ConsentOf is what the person agreed to with the code, remembered for 30 days.
func ConsentOf(c store.AuthorizationCode) store.Consent {
	return store.Consent{
		UserID: c.UserID, ApplicationUID: c.ApplicationUID, OrganizationID: c.OrganizationID, Scopes: c.Granted,
		GrantedAt: Noon, ExpiresAt: Noon.Add(30 * 24 * time.Hour),
	}
}

// SignedIn makes a session and inserts it.
func SignedIn(t testing.TB, db *store.DB, u store.User) store.Session {
	t.Helper()
	s := SessionOf(u)
	must(t, db.CreateSession(t.Context(), s, Act("session.created")))
	return s
}

// Coded inserts a code approved in the session.
func Coded(t testing.TB, db *store.DB, s store.Session) store.AuthorizationCode {
	t.Helper()
	c := CodeOf(s)
	must(t, db.CreateAuthorizationCode(t.Context(), c, nil, Act("code.created")))
	return c
}

// Approved inserts a device authorization that the person has approved.
func Approved(t testing.TB, db *store.DB, u store.User) store.DeviceCode {
	t.Helper()
	d := Pending()
	must(t, db.CreateDeviceCode(t.Context(), d))
	must(t, db.ApproveDeviceCode(t.Context(), d.Hash, Noon, ApprovalOf(u), Act("device.approved")))
	return d
}

// Granted inserts the grant by way of a device authorization.
func Granted(t testing.TB, db *store.DB, u store.User, g store.Grant) store.Grant {
	t.Helper()
	d := Approved(t, db, u)
	must(t, db.ConsumeDeviceCode(t.Context(), d.Hash, Application, Noon, g, Act("grant.created")))
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// events counts the audit log.
func events(t testing.TB, db *store.DB) int {
	t.Helper()
	all, err := db.Events(t.Context(), 100_000)
	must(t, err)
	return len(all)
}

// together runs act n times at once and returns how often it succeeded; every other
// outcome must be ErrConflict.
func together(t *testing.T, n int, act func() error) int {
	t.Helper()
	outcomes := make([]error, n)
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			outcomes[i] = act()
		})
	}
	start.Done()
	done.Wait()
	succeeded := 0
	for _, err := range outcomes {
		if err == nil {
			succeeded++
		} else {
			wantErr(t, "the others", err, store.ErrConflict)
		}
	}
	return succeeded
}

// within polls until ok, or fails after the limit.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
