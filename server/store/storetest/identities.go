package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// IdentityOf makes an identity of the person; it is not inserted.
func IdentityOf(u store.User, provider, subject string) store.Identity {
	return store.Identity{
		ProviderUID: provider, Subject: subject, UserID: u.ID, Email: "ada@corp.example", EmailProvenAt: Noon, Name: "Ada L.",
		Groups: []string{"engineers", "on call"}, GroupsAt: Noon, CreatedAt: Noon, LastUsedAt: Noon, CheckedAt: Noon,
	}
}

// stranger is somebody who signs in elsewhere; they are not inserted.
func stranger(id string) store.User {
	return store.User{ID: id, Email: "ada@corp.example", Name: "Ada L.", CreatedAt: Noon}
}

var jit = model.Membership{OrganizationID: "org_1", Source: model.MemberByProvider, ProviderUID: "okta", At: Noon}

// Two providers say the same address and the same subject: they are two people (ASVS 6.8.1).
func identitiesAreApart(t *testing.T, db *store.DB) {
	ctx, local := t.Context(), Person(t, db)
	one, two := stranger("usr_one"), stranger("usr_two")
	first, second := IdentityOf(one, "okta", "4711"), IdentityOf(two, "other", "4711")
	must(t, db.CreateUserWithIdentity(ctx, one, first, []model.Membership{jit}, Act("user.created")))
	must(t, db.CreateUserWithIdentity(ctx, two, second, nil, Act("user.created")))
	one.Identities, one.Memberships = []store.Identity{first}, []model.Membership{jit}
	two.Identities = []store.Identity{second}
	for _, want := range []store.User{one, two} {
		i := want.Identities[0]
		got, err := db.UserByIdentity(ctx, i.ProviderUID, i.Subject)
		must(t, err)
		same(t, "by identity", got, want)
	}
	_, err := db.UserByIdentity(ctx, "okta", "4712")
	wantErr(t, "another subject", err, store.ErrNotFound)
	_, err = db.UserByEmail(ctx, one.Email)
	wantErr(t, "an address that nobody signs in with here", err, store.ErrNotFound)
	_, err = db.UserByEmail(ctx, one.ID)
	wantErr(t, "an ID in place of an address", err, store.ErrNotFound)
	wantErr(t, "an identity that is known", db.CreateUserWithIdentity(ctx, stranger("usr_3"), first, nil, Act("user.created")), store.ErrConflict)
	_, err = db.User(ctx, "usr_3")
	wantErr(t, "its account", err, store.ErrNotFound)
	wantErr(t, "link what is another's", db.LinkIdentity(ctx, IdentityOf(local, "okta", "4711"), Act("identity.linked")), store.ErrConflict)
	proving, err := db.Proving(ctx, "ada@corp.example")
	must(t, err)
	same(t, "who has proven the address", proving, []store.Identity{{ProviderUID: "okta", UserID: one.ID}, {ProviderUID: "other", UserID: two.ID}})
	members, err := db.Members(ctx, "org_1")
	must(t, err)
	same(t, "members", members, []store.Member{{UserID: one.ID, Membership: jit}})
}

func identityIsUpdated(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), stranger("usr_one")
	i := IdentityOf(u, "okta", "4711")
	must(t, db.CreateUserWithIdentity(ctx, u, i, nil, Act("user.created")))
	later := Noon.Add(time.Hour)
	i.Name, i.Groups, i.GroupsAt, i.LastUsedAt, i.CheckedAt, i.EmailProvenAt = "Ada Lovelace", []string{"admins"}, later, later, later, later
	i.Renewal = []byte("sealed")
	must(t, db.UpdateIdentity(ctx, i, []model.Membership{jit}, Act("identity.used")))
	renewal, err := db.Renewal(ctx, "okta", "4711")
	must(t, err)
	same(t, "what it can be asked with", renewal, i.Renewal)
	i.Renewal, i.EmailProvenAt = nil, Noon // it says so since then
	u.Name, u.Identities, u.Memberships = "Ada Lovelace", []store.Identity{i}, []model.Membership{jit}
	got, err := db.User(ctx, u.ID)
	must(t, err)
	same(t, "the account", got, u)

	must(t, db.SetName(ctx, u.ID, "Countess", Act("user.renamed")))
	i.Name, i.Email, i.EmailProvenAt = "A. Lovelace", "countess@corp.example", later
	must(t, db.UpdateIdentity(ctx, i, nil, Act("identity.used")))
	u.Name, u.Email, u.Identities = "Countess", "countess@corp.example", []store.Identity{i}
	got, err = db.User(ctx, u.ID)
	must(t, err)
	same(t, "with a name that its owner chose", got, u)

	i.EmailProvenAt = time.Time{}
	must(t, db.UpdateIdentity(ctx, i, nil, Act("identity.used")))
	got, err = db.User(ctx, u.ID)
	must(t, err)
	same(t, "addresses that the provider does not vouch for any more", got.Person().Addresses, []model.ProvenAddress(nil))

	i.UserID = "usr_two"
	wantErr(t, "as somebody else", db.UpdateIdentity(ctx, i, nil, Act("identity.used")), store.ErrNotFound)
	must(t, db.SetDisabled(ctx, u.ID, true, Act("user.disabled")))
	i.UserID = u.ID
	wantErr(t, "of a disabled account", db.UpdateIdentity(ctx, i, nil, Act("identity.used")), store.ErrNotFound)
	wantErr(t, "link to a disabled account", db.LinkIdentity(ctx, IdentityOf(u, "okta", "1"), Act("identity.linked")), store.ErrConflict)
	wantErr(t, "a disabled member", db.AddMembership(ctx, u.ID, jit, Act("member.added")), store.ErrConflict)
}

// What several organizations see of an account is not for the provider of one of them to
// say, in one step or in two.
func sharedAccountShowsWhatItShowed(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), stranger("usr_shared")
	first, second := IdentityOf(u, "github", "1"), IdentityOf(u, "tenant", "1")
	must(t, db.CreateUserWithIdentity(ctx, u, first, nil, Act("user.created")))
	must(t, db.LinkIdentity(ctx, second, Act("identity.linked")))
	before, err := db.User(ctx, u.ID)
	must(t, err)
	for _, says := range []string{before.Name, "The Director"} {
		second.Name, second.Email = says, "director@other.example"
		must(t, db.UpdateIdentity(ctx, second, nil, Act("identity.used")))
	}
	after, err := db.User(ctx, u.ID)
	must(t, err)
	same(t, "name and address", []string{after.Name, after.Email}, []string{before.Name, before.Email})

	local := Person(t, db)
	third := IdentityOf(local, "tenant", "2")
	must(t, db.LinkIdentity(ctx, third, Act("identity.linked")))
	for _, says := range []string{local.Name, "The Director"} {
		third.Name = says
		must(t, db.UpdateIdentity(ctx, third, nil, Act("identity.used")))
	}
	after, err = db.User(ctx, local.ID)
	must(t, err)
	same(t, "the name of an account with a password", after.Name, local.Name)
}

// What was opened by the identity goes with it; what was opened otherwise stays.
func unlinkedIdentityEndsWhatItOpened(t *testing.T, db *store.DB) {
	ctx, u, neighbour := t.Context(), Person(t, db), Person(t, db)
	must(t, db.LinkIdentity(ctx, IdentityOf(u, "okta", "4711"), Act("identity.linked")))
	must(t, db.LinkIdentity(ctx, IdentityOf(neighbour, "okta", "4712"), Act("identity.linked")))
	must(t, db.AddMembership(ctx, u.ID, jit, Act("member.added")))
	invited := model.Membership{OrganizationID: "org_2", Source: model.MemberByInvitation, At: Noon}
	must(t, db.AddMembership(ctx, u.ID, invited, Act("member.added")))

	local := SignedIn(t, db, u)
	foreign, others := SessionOf(u), SessionOf(neighbour)
	foreign.ProviderUID, others.ProviderUID = "okta", "okta"
	must(t, db.CreateSession(ctx, foreign, Act("session.started")))
	must(t, db.CreateSession(ctx, others, Act("session.started")))
	kept, ended := GrantOf(u), GrantOf(u)
	ended.ProviderUID = "okta"
	Granted(t, db, u, kept)
	Granted(t, db, u, ended)
	code := Coded(t, db, foreign)
	device, approval := Pending(), ApprovalOf(u)
	approval.ProviderUID = "okta"
	must(t, db.CreateDeviceCode(ctx, device))
	must(t, db.ApproveDeviceCode(ctx, device.Hash, Noon, approval, Act("device.approved")))

	wantErr(t, "by somebody else", db.UnlinkIdentity(ctx, neighbour.ID, "okta", "4711", Act("identity.unlinked")), store.ErrConflict)
	must(t, db.UnlinkIdentity(ctx, u.ID, "okta", "4711", Act("identity.unlinked")))
	_, err := db.Session(ctx, local.Hash)
	must(t, err)
	_, err = db.Session(ctx, others.Hash)
	must(t, err)
	_, err = db.Session(ctx, foreign.Hash)
	wantErr(t, "its session", err, store.ErrNotFound)
	g, err := db.Grant(ctx, ended.ID)
	must(t, err)
	same(t, "why its grant ended", g.RevokedReason, "identity removed")
	g, err = db.Grant(ctx, kept.ID)
	must(t, err)
	same(t, "the other grant", g.RevokedAt, time.Time{})
	err = db.RedeemAuthorizationCode(ctx, code.Hash, Application, Noon, GrantOf(u), Act("grant.created"))
	wantErr(t, "its code", err, store.ErrConflict)
	denied, err := db.DeviceCode(ctx, device.Hash)
	must(t, err)
	same(t, "the device that it approved", denied.State, store.DeviceDenied)
	got, err := db.User(ctx, u.ID)
	must(t, err)
	same(t, "memberships", got.Memberships, []model.Membership{invited})
	must(t, db.RemoveMember(ctx, u.ID, "org_2", Act("member.removed")))
	wantErr(t, "once more", db.RemoveMember(ctx, u.ID, "org_2", Act("member.removed")), store.ErrNotFound)
}

func lastWayInStays(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), stranger("usr_one")
	must(t, db.CreateUserWithIdentity(ctx, u, IdentityOf(u, "okta", "4711"), nil, Act("user.created")))
	wantErr(t, "the only identity", db.UnlinkIdentity(ctx, u.ID, "okta", "4711", Act("identity.unlinked")), store.ErrConflict)
	must(t, db.LinkIdentity(ctx, IdentityOf(u, "google", "1"), Act("identity.linked")))
	must(t, db.UnlinkIdentity(ctx, u.ID, "okta", "4711", Act("identity.unlinked")))
	wantErr(t, "the one that is left", db.UnlinkIdentity(ctx, u.ID, "google", "1", Act("identity.unlinked")), store.ErrConflict)
}

func lostIdentityIsWorthNothing(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), stranger("usr_one")
	i := IdentityOf(u, "okta", "4711")
	i.Renewal = []byte("sealed")
	must(t, db.CreateUserWithIdentity(ctx, u, i, []model.Membership{jit}, Act("user.created")))
	must(t, db.IdentityChecked(ctx, "okta", "4711", Noon.Add(time.Minute)))
	wantErr(t, "check what is not there", db.IdentityChecked(ctx, "okta", "4712", Noon), store.ErrNotFound)
	s := SessionOf(u)
	s.ProviderUID = "okta"
	must(t, db.CreateSession(ctx, s, Act("session.started")))
	must(t, db.LoseIdentity(ctx, u.ID, "okta", "4711", Act("identity.lost")))
	got, err := db.UserByIdentity(ctx, "okta", "4711")
	must(t, err)
	same(t, "what it is worth", got.Person(), model.Person{})
	_, err = db.Session(ctx, s.Hash)
	wantErr(t, "its session", err, store.ErrNotFound)
	renewal, err := db.Renewal(ctx, "okta", "4711")
	must(t, err)
	same(t, "what it could be asked with", len(renewal), 0)
}

// Nobody pre-registers somebody else: a claim that was never proven gives way.
func unprovenClaimGivesWay(t *testing.T, db *store.DB) {
	ctx, owner := t.Context(), Person(t, db)
	claimant := account("usr_claimant", "ada@corp.example")
	claimant.EmailProvenBy, claimant.EmailProvenAt, claimant.Disabled = "", time.Time{}, false
	must(t, db.CreateUser(ctx, claimant, Act("user.created")))
	s := SignedIn(t, db, claimant)
	must(t, db.DropClaim(ctx, "ada@corp.example", Act("address.lost")))
	must(t, db.DropClaim(ctx, owner.Login, Act("address.lost"))) // theirs is proven
	_, err := db.UserByEmail(ctx, "ada@corp.example")
	wantErr(t, "who claimed it", err, store.ErrNotFound)
	got, err := db.User(ctx, claimant.ID)
	must(t, err)
	same(t, "what is left", got.Login+got.Email+got.PasswordHash, "")
	_, err = db.Session(ctx, s.Hash)
	wantErr(t, "their session", err, store.ErrNotFound)
	_, err = db.UserByEmail(ctx, owner.Login)
	must(t, err)
}

// A session remembers the last sign-in by each provider, as long as it is good for.
func signInsOfASession(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), Person(t, db)
	first := SignedIn(t, db, u)
	second, third := first, first
	second.Hash, second.ProviderUID, second.AuthTime, second.AMR = []byte("second"), "okta", Noon.Add(time.Hour), []string{"pwd", "mfa"}
	second.ExpiresAt = Noon.Add(25 * time.Hour)
	must(t, db.RenewSession(ctx, first.Hash, second, Act("session.renewed")))
	got, err := db.Session(ctx, second.Hash)
	must(t, err)
	same(t, "sign-ins", got.SignIns(), []store.SignIn{
		{ProviderUID: "okta", AuthTime: second.AuthTime, AMR: second.AMR, ExpiresAt: second.ExpiresAt},
		{ProviderUID: "local", AuthTime: Noon, AMR: []string{"pwd"}, ExpiresAt: first.ExpiresAt},
	})
	third.Hash, third.AuthTime, third.ExpiresAt = []byte("third"), Noon.Add(2*time.Hour), Noon.Add(26*time.Hour)
	must(t, db.RenewSession(ctx, second.Hash, third, Act("session.renewed")))
	got, err = db.Session(ctx, third.Hash)
	must(t, err)
	same(t, "sign-ins, each provider once", got.SignIns(), []store.SignIn{
		{ProviderUID: "local", AuthTime: third.AuthTime, AMR: []string{"pwd"}, ExpiresAt: third.ExpiresAt},
		{ProviderUID: "okta", AuthTime: second.AuthTime, AMR: second.AMR, ExpiresAt: second.ExpiresAt},
	})
	must(t, db.EndSession(ctx, third.Hash, Act("session.ended")))
	next := third
	next.Hash = []byte("next")
	must(t, db.CreateSession(ctx, next, Act("session.started")))
	got, err = db.Session(ctx, next.Hash)
	must(t, err)
	same(t, "of a session that is new", len(got.Before), 0)
}

func deletingForgetsIdentities(t *testing.T, db *store.DB) {
	ctx, u := t.Context(), stranger("usr_one")
	must(t, db.CreateUserWithIdentity(ctx, u, IdentityOf(u, "okta", "4711"), []model.Membership{jit}, Act("user.created")))
	all, err := db.Users(ctx)
	must(t, err)
	if !slices.ContainsFunc(all, func(o store.User) bool { return o.ID == u.ID && o.Email == u.Email }) {
		t.Errorf("not in the list: %v", all)
	}
	must(t, db.DeleteUser(ctx, u.ID, Act("user.deleted")))
	_, err = db.UserByIdentity(ctx, "okta", "4711")
	wantErr(t, "the identity", err, store.ErrNotFound)
	members, err := db.Members(ctx, "org_1")
	must(t, err)
	same(t, "members", len(members), 0)
	next := stranger("usr_two")
	must(t, db.CreateUserWithIdentity(ctx, next, IdentityOf(next, "okta", "4711"), nil, Act("user.created")))
}
