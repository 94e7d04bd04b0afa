package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func invitation(email string) store.Invitation {
	return store.Invitation{
		Hash: bytes(32), ID: "inv_" + email, OrganizationID: "org_1", Email: email, InvitedBy: "operator",
		CreatedAt: Noon, ExpiresAt: Noon.Add(time.Hour),
	}
}

// invitationsCountOnce: an invitation makes one member, and of one address only the last
// counts.
func invitationsCountOnce(t *testing.T, db *store.DB) {
	ann, bob := Person(t, db), Person(t, db)
	first, second := invitation("x@example.com"), invitation("x@example.com")
	second.ID = "inv_second"
	must(t, db.CreateInvitation(t.Context(), first, Act("invitation.created")))
	must(t, db.CreateInvitation(t.Context(), second, Act("invitation.created")))
	if err := db.AcceptInvitation(t.Context(), first, ann.ID, Act("invitation.accepted")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a replaced one: %v", err)
	}
	late := Act("invitation.accepted")
	late.Time = second.ExpiresAt
	if err := db.AcceptInvitation(t.Context(), second, ann.ID, late); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is too old: %v", err)
	}
	must(t, db.AcceptInvitation(t.Context(), second, ann.ID, Act("invitation.accepted")))
	if err := db.AcceptInvitation(t.Context(), second, bob.ID, Act("invitation.accepted")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	u, err := db.User(t.Context(), ann.ID)
	must(t, err)
	if len(u.Memberships) != 1 || u.Memberships[0].OrganizationID != "org_1" || u.Login != ann.Login || len(u.Identities) != 0 {
		t.Errorf("Ann is %+v", u)
	}
	// Who may not be a member, and an account that cannot be made, use nothing up.
	third := invitation("y@example.com")
	must(t, db.CreateInvitation(t.Context(), third, Act("invitation.created")))
	must(t, db.SetDisabled(t.Context(), bob.ID, true, Act("user.disabled")))
	if err := db.AcceptInvitation(t.Context(), third, bob.ID, Act("invitation.accepted")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a disabled account: %v", err)
	}
	taken := store.User{ID: "usr_new", Email: ann.Login, Login: ann.Login, Name: "x", CreatedAt: Noon}
	if err := db.RegisterInvited(t.Context(), third, taken, Act("user.created")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an address that is taken: %v", err)
	}
	if left, err := db.Invitations(t.Context(), ""); err != nil || len(left) != 1 {
		t.Errorf("%d are left (%v), want one", len(left), err)
	}
	if left, err := db.Invitations(t.Context(), "org_2"); err != nil || len(left) != 0 {
		t.Errorf("%d to another organization (%v)", len(left), err)
	}
	taken.Email, taken.Login = third.Email, third.Email
	must(t, db.RegisterInvited(t.Context(), third, taken, Act("user.created")))
	fourth := invitation("z@example.com")
	must(t, db.CreateInvitation(t.Context(), fourth, Act("invitation.created")))
	must(t, db.EndInvitation(t.Context(), fourth.ID, Act("invitation.revoked")))
	if err := db.EndInvitation(t.Context(), fourth.ID, Act("invitation.revoked")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
}
