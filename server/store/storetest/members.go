package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func invitationsAreRead(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for _, email := range []string{"c@example.com", "a@example.com", "b@example.com"} {
		must(t, db.CreateInvitation(ctx, invitation(email), Act("invitation.created")))
	}
	foreign := invitation("a@example.com")
	foreign.ID, foreign.OrganizationID = "inv_foreign", "org_2"
	must(t, db.CreateInvitation(ctx, foreign, Act("invitation.created")))
	var got []string
	for after := ""; ; {
		page, err := db.InvitationsAfter(ctx, "org_1", after, 2)
		must(t, err)
		for _, i := range page {
			got, after = append(got, i.Email), i.ID
		}
		if len(page) < 2 {
			break
		}
	}
	same(t, "in order", got, []string{"a@example.com", "b@example.com", "c@example.com"})
	found, err := db.InvitationIn(ctx, "org_2", "inv_foreign")
	must(t, err)
	same(t, "by its ID", found, foreign)
	_, err = db.InvitationIn(ctx, "org_1", "inv_foreign")
	wantErr(t, "one to another organization", err, store.ErrNotFound)
}

// pages reads all that MaybeMembers finds, so many at once.
func pages(t *testing.T, db *store.DB, q store.MemberSearch) (found []string, asked int) {
	t.Helper()
	for {
		ids, through, err := db.MaybeMembers(t.Context(), q)
		must(t, err)
		if len(ids) > q.Limit {
			t.Fatalf("%d at once, want %d at most", len(ids), q.Limit)
		}
		if found, asked = append(found, ids...), asked+1; through == "" {
			return found, asked
		}
		if through <= q.After {
			t.Fatalf("after %q it goes on after %q", q.After, through)
		}
		q.After = through
	}
}

func maybeMembersAreFound(t *testing.T, db *store.DB) {
	ctx := t.Context()
	q := store.MemberSearch{
		OrganizationID: "org_1", Providers: []string{"okta", "local"}, Limit: 1000,
		Groups: []model.Group{{ProviderUID: "okta", Name: `on "call"`}, {ProviderUID: "other", Name: "on call"}},
	}
	var want []string
	for range 120 { // more than one statement looks up
		u := Person(t, db)
		q.Addresses, want = append(q.Addresses, u.Login), append(want, u.ID)
	}
	Person(t, db) // is not named
	q.Addresses = append(q.Addresses, "nobody@example.com", "ada@corp.example", "usr_elsewhere")
	elsewhere := func(id, provider string, change func(*store.Identity)) {
		u := stranger(id)
		i := IdentityOf(u, provider, id)
		i.Email, i.Groups = id+"@corp.example", nil
		change(&i)
		must(t, db.CreateUserWithIdentity(ctx, u, i, nil, Act("user.created")))
	}
	named := func(i *store.Identity) { i.Email = "ada@corp.example" }
	elsewhere("usr_named", "okta", named)
	elsewhere("usr_elsewhere", "other", named) // which does not count there
	elsewhere("usr_unproven", "okta", func(i *store.Identity) { named(i); i.EmailProvenAt = i.EmailProvenAt.AddDate(-2000, 0, 0) })
	elsewhere("usr_grouped", "okta", func(i *store.Identity) { i.Groups = []string{"a", `on "call"`} })
	elsewhere("usr_ungrouped", "okta", func(i *store.Identity) { i.Groups = []string{`on "call"s`} })
	elsewhere("usr_othergroup", "other", func(i *store.Identity) { i.Groups = []string{"on call"} })
	elsewhere("usr_jit", "okta", func(*store.Identity) {})
	must(t, db.AddMembership(ctx, "usr_jit", jit, Act("member.added")))
	invited := model.Membership{OrganizationID: "org_1", Source: model.MemberByInvitation, At: Noon}
	must(t, db.AddMembership(ctx, "usr_jit", invited, Act("member.added")))
	invited.OrganizationID = "org_2"
	for _, id := range []string{"usr_ungrouped", "usr_othergroup"} {
		must(t, db.AddMembership(ctx, id, invited, Act("member.added")))
	}
	want = append(want, "usr_named", "usr_grouped", "usr_jit")
	slices.Sort(want)
	found, asked := pages(t, db, q)
	same(t, "all at once", found, want)
	same(t, "asked", asked, 1)
	for _, q.Limit = range []int{1, 7} {
		found, _ = pages(t, db, q)
		same(t, fmt.Sprint(q.Limit, " at once"), found, want)
	}
	found, _ = pages(t, db, store.MemberSearch{OrganizationID: "org_2", Limit: 1})
	same(t, "where there are none but those let in", found, []string{"usr_othergroup", "usr_ungrouped"})
	must(t, db.DeleteUser(ctx, "usr_jit", Act("user.deleted")))
	if found, _ = pages(t, db, q); slices.Contains(found, "usr_jit") {
		t.Error("who was deleted is found")
	}
}

// manyIdentitiesAreRead: the only one in a group is found, however many others the provider
// has, and though another identity of theirs stands where a page ends.
func manyIdentitiesAreRead(t *testing.T, db *store.DB) {
	const many = 1100
	var making sync.WaitGroup
	for n := range many {
		making.Go(func() {
			u := stranger(fmt.Sprintf("usr_%04d", n))
			i := IdentityOf(u, "okta", u.ID)
			i.Email, i.Groups = "", nil
			if err := db.CreateUserWithIdentity(t.Context(), u, i, nil, Act("user.created")); err != nil {
				t.Error(err)
			}
		})
	}
	making.Wait()
	for n, id := range []string{"usr_0999", "usr_1050"} {
		i := IdentityOf(store.User{ID: id}, "okta", fmt.Sprint("zz ", n))
		i.Email = ""
		must(t, db.LinkIdentity(t.Context(), i, Act("identity.linked")))
	}
	q := store.MemberSearch{OrganizationID: "org_1", Providers: []string{"okta"}, Groups: []model.Group{{ProviderUID: "okta", Name: "on call"}}, Limit: 100}
	found, asked := pages(t, db, q)
	same(t, "found", found, []string{"usr_0999", "usr_1050"})
	same(t, "asked", asked, 2)
}

func removedMemberLoses(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	member := model.Membership{OrganizationID: "org_1", Source: model.MemberByInvitation, At: Noon}
	elsewhere := member
	elsewhere.OrganizationID = "org_2"
	for _, id := range []string{u.ID, neighbour.ID} {
		must(t, db.AddMembership(ctx, id, member, Act("member.added")))
	}
	must(t, db.AddMembership(ctx, u.ID, jit, Act("member.added")))
	must(t, db.AddMembership(ctx, u.ID, elsewhere, Act("member.added")))
	s := SignedIn(t, db, u)
	toldOf(t, db, s, "app")
	ended, kept, others := Granted(t, db, u, GrantOf(u)), GrantOf(u), Granted(t, db, neighbour, GrantOf(neighbour))
	kept.OrganizationID = "org_2"
	Granted(t, db, u, kept)
	code := CodeOf(s)
	must(t, db.CreateAuthorizationCode(ctx, code, new(ConsentOf(code)), Act("code.created")))
	foreign := CodeOf(s)
	foreign.OrganizationID = "org_2"
	must(t, db.CreateAuthorizationCode(ctx, foreign, new(ConsentOf(foreign)), Act("code.created")))
	device := Approved(t, db, u)
	for id, change := range map[string]func(*store.Invitation){
		"inv_to": func(i *store.Invitation) { i.Email = u.Login }, "inv_by": func(i *store.Invitation) { i.InvitedBy = u.ID },
		"inv_kept": func(*store.Invitation) {}, "inv_elsewhere": func(i *store.Invitation) { i.OrganizationID, i.InvitedBy = "org_2", u.ID },
	} {
		i := invitation(id + "@example.com")
		i.ID = id
		change(&i)
		must(t, db.CreateInvitation(ctx, i, Act("invitation.created")))
	}

	wantErr(t, "where they are none", db.RemoveMember(ctx, u.ID, "org_3", Act("member.removed")), store.ErrNotFound)
	must(t, db.RemoveMember(ctx, u.ID, "org_1", Act("member.removed")))
	got, err := db.User(ctx, u.ID)
	must(t, err)
	same(t, "memberships", got.Memberships, []model.Membership{elsewhere})
	for _, g := range []store.Grant{ended, kept, others} {
		now, err := db.Grant(ctx, g.ID)
		must(t, err)
		same(t, "a grant in "+g.OrganizationID+" has ended", !now.RevokedAt.IsZero(), g.ID == ended.ID)
	}
	wantErr(t, "a code", redeem(t, db, code, Noon, GrantOf(u)), store.ErrConflict)
	again := GrantOf(u)
	again.OrganizationID = "org_2"
	must(t, redeem(t, db, foreign, Noon, again))
	wantErr(t, "a device", db.ConsumeDeviceCode(ctx, device.Hash, Application, Noon, GrantOf(u), Act("grant.created")), store.ErrConflict)
	consents, err := db.ConsentsOf(ctx, u.ID)
	must(t, err)
	same(t, "consents", len(consents) == 1 && consents[0].OrganizationID == "org_2", true)
	same(t, "who is told", toTell(t, db, Noon), []string{s.ID + " app"})
	left, err := db.Invitations(ctx, "")
	must(t, err)
	var names []string
	for _, i := range left {
		names = append(names, i.ID)
	}
	same(t, "invitations", names, []string{"inv_kept", "inv_elsewhere"})
	_, err = db.Session(ctx, s.Hash)
	must(t, err) // it is the person's, not the organization's
}
