package upstream_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"sync"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

func openStore(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// desk is where people arrive: backends of several providers over one store.
type desk struct {
	t  *testing.T
	db *store.DB
}

func newDesk(t *testing.T) desk { return desk{t, openStore(t)} }

func (d desk) backend(uid, organization string, how model.Provisioning) upstream.Backend {
	d.t.Helper()
	env := upstreamtest.Env()
	env.Accounts = d.db
	b, err := upstream.New(&model.Provider{
		UID: uid, Type: "OAuth2", OrganizationID: organization, Provisioning: how, OAuth2: &model.OAuth2Settings{},
	}, env)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

var (
	jit      = model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject}
	byEmail  = model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkByVerifiedEmail}
	linkOnly = model.Provisioning{Mode: model.ProvisionLinkOnly, LinkBy: model.LinkBySubject}
	deny     = model.Provisioning{Mode: model.ProvisionDeny, LinkBy: model.LinkByVerifiedEmail}
)

func ann(subject string) upstream.Person {
	return upstream.Person{
		Now: upstreamtest.Now, Subject: subject, Email: "ann@acme.example", EmailVerified: true, Name: "Ann", Groups: []string{"eng"},
		IP: "192.0.2.1", RequestID: "req",
	}
}

func (d desk) save(b upstream.Backend, p upstream.Person) store.User {
	d.t.Helper()
	u, err := b.SaveUser(d.t.Context(), p)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

// local is an account with a password, whose address is proven or not.
func (d desk) local(provenBy string) store.User {
	d.t.Helper()
	u := store.User{
		ID: people.NewID(), Email: "ann@acme.example", Login: "ann@acme.example", Name: "Ann", PasswordHash: people.Hash("a long pass phrase"),
		CreatedAt: upstreamtest.Now, EmailProvenBy: provenBy, EmailProvenAt: upstreamtest.Now,
	}
	if err := d.db.CreateUser(d.t.Context(), u, store.Event{Time: upstreamtest.Now, Action: "user.created", Target: u.ID, Outcome: "ok"}); err != nil {
		d.t.Fatal(err)
	}
	return u
}

func TestAnIdentityIsTheProviderAndTheSubject(t *testing.T) {
	d := newDesk(t)
	one, two := d.backend("okta", "org_1", jit), d.backend("entra", "org_2", jit)
	a, b, c := d.save(one, ann("4711")), d.save(two, ann("4711")), d.save(one, ann("4712"))
	if a.ID == b.ID || a.ID == c.ID || b.ID == c.ID {
		t.Error("the same subject or address joined accounts")
	}
	if again := d.save(one, ann("4711")); again.ID != a.ID {
		t.Error("the same identity is two accounts")
	}
	// A provider that was deleted and made again has another UID, and inherits nothing.
	if renewed := d.save(d.backend("okta-again", "org_1", jit), ann("4711")); renewed.ID == a.ID {
		t.Error("a new provider inherited an account")
	}
	found, err := one.FindUser(t.Context(), "4711")
	if err != nil || found.ID != a.ID {
		t.Errorf("%v, %v", found.ID, err)
	}
}

func TestASignInKeepsWhatTheProviderSays(t *testing.T) {
	d := newDesk(t)
	b := d.backend("okta", "org_1", jit)
	first := d.save(b, ann("4711"))
	p := ann("4711")
	p.Now, p.Email, p.EmailVerified, p.Name, p.Groups, p.Renewal = p.Now.Add(3600e9), "ann@new.example", false, "Ann B.", nil, []byte("sealed")
	u := d.save(b, p)
	i := u.Identities[0]
	if u.ID != first.ID || len(u.Identities) != 1 || i.Email != p.Email || !i.EmailProvenAt.IsZero() || i.Name != p.Name || len(i.Groups) != 0 || !i.GroupsAt.Equal(p.Now) || u.Name != "Ann B." || u.Email != p.Email {
		t.Errorf("%+v", u)
	}
	if kept, err := d.db.Renewal(t.Context(), "okta", "4711"); err != nil || string(kept) != "sealed" {
		t.Errorf("%q, %v", kept, err)
	}
	if want := []model.Membership{{OrganizationID: "org_1", Source: model.MemberByProvider, ProviderUID: "okta", At: p.Now}}; !reflect.DeepEqual(u.Memberships, want) {
		t.Errorf("%+v", u.Memberships)
	}
	events, err := d.db.EventsOf(t.Context(), u.ID, 10)
	if err != nil || len(events) != 2 || events[0].Action != "identity.used" || events[1].Action != "user.created" || events[1].IP != "192.0.2.1" || events[1].Target != u.ID {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestOnlyAnOrganizationsOwnProviderGivesAMembership(t *testing.T) {
	d := newDesk(t)
	if u := d.save(d.backend("google", "", byEmail), ann("1")); len(u.Memberships) != 0 {
		t.Errorf("%+v", u.Memberships)
	}
}

func TestWhoIsNotProvisionedHasNoAccount(t *testing.T) {
	d := newDesk(t)
	owner := d.local("operator")
	for name, b := range map[string]upstream.Backend{
		"LinkOnly": d.backend("link", "", linkOnly), "Deny": d.backend("deny", "", deny), "nothing": d.backend("none", "", model.Provisioning{}),
	} {
		if u, err := b.SaveUser(t.Context(), ann("4711")); !errors.Is(err, upstream.ErrNotProvisioned) {
			t.Errorf("%s: %s, %v", name, u.ID, err)
		}
	}
	// An identity that its owner connected signs in by each of them.
	for _, uid := range []string{"link", "deny"} {
		i := store.Identity{ProviderUID: uid, Subject: "4711", UserID: owner.ID, CreatedAt: upstreamtest.Now}
		if err := d.db.LinkIdentity(t.Context(), i, store.Event{Time: upstreamtest.Now, Action: "identity.linked"}); err != nil {
			t.Fatal(err)
		}
		if u := d.save(d.backend(uid, "", map[string]model.Provisioning{"link": linkOnly, "deny": deny}[uid]), ann("4711")); u.ID != owner.ID {
			t.Errorf("%s: %s", uid, u.ID)
		}
	}
}

func TestAVerifiedAddressJoinsOnlyByAProviderOfTheInstallation(t *testing.T) {
	d := newDesk(t)
	owner := d.local("operator")
	// A tenant's own provider says whatever the tenant likes.
	if u := d.save(d.backend("evil", "org_evil", byEmail), ann("1")); u.ID == owner.ID {
		t.Error("a tenant's provider joined somebody's account")
	}
	if u := d.save(d.backend("by-subject", "", jit), ann("1")); u.ID == owner.ID {
		t.Error("an address joined where only subjects do")
	}
	unverified := ann("1")
	unverified.EmailVerified = false
	google := d.backend("google", "", byEmail)
	if u := d.save(google, unverified); u.ID == owner.ID {
		t.Error("an address that nobody verified joined")
	}
	if u := d.save(google, ann("2")); u.ID != owner.ID {
		t.Error("a verified address did not join")
	}
	u, err := d.db.User(t.Context(), owner.ID)
	if err != nil || len(u.Identities) != 1 || u.PasswordHash == "" || u.EmailProvenBy != "operator" {
		t.Errorf("%+v, %v", u, err)
	}
}

// Whoever registers somebody else's address waits in vain.
func TestAnUnprovenClaimIsDroppedAndNotJoined(t *testing.T) {
	d := newDesk(t)
	squatter := d.local("")
	google := d.backend("google", "", byEmail)
	if u := d.save(google, ann("1")); u.ID == squatter.ID {
		t.Fatal("the owner was let into the account of who waited for them")
	}
	u, err := d.db.User(t.Context(), squatter.ID)
	if err != nil || u.Login != "" || u.PasswordHash != "" {
		t.Errorf("the claim is still there: %+v, %v", u, err)
	}
	if events, err := d.db.EventsOf(t.Context(), squatter.ID, 1); err != nil || events[0].Action != "user.claim-dropped" || events[0].Actor == squatter.ID {
		t.Errorf("%+v, %v", events, err)
	}
	if _, err := d.db.UserByEmail(t.Context(), "ann@acme.example"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestATenantsProviderDropsNobodysClaim(t *testing.T) {
	d := newDesk(t)
	claimed := d.local("")
	d.save(d.backend("evil", "org_evil", byEmail), ann("1"))
	if u, err := d.db.User(t.Context(), claimed.ID); err != nil || u.Login == "" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestADisabledAccountSignsInByNothing(t *testing.T) {
	d := newDesk(t)
	google := d.backend("google", "", byEmail)
	u := d.save(google, ann("1"))
	owner := d.local("operator")
	for _, id := range []string{u.ID, owner.ID} {
		if err := d.db.SetDisabled(t.Context(), id, true, store.Event{Time: upstreamtest.Now, Action: "user.disabled"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"1", "2"} { // its identity, and its proven address
		if u, err := google.SaveUser(t.Context(), ann(subject)); !errors.Is(err, upstream.ErrDisabled) {
			t.Errorf("%s: %s, %v", subject, u.ID, err)
		}
	}
}

func TestNobodyArrivesByASuspendedProviderOrWithoutASubject(t *testing.T) {
	d := newDesk(t)
	env := upstreamtest.Env()
	env.Accounts = d.db
	b, err := upstream.New(&model.Provider{UID: "s", Provisioning: jit, Suspended: true, OAuth2: &model.OAuth2Settings{}}, env)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := b.SaveUser(t.Context(), ann("1")); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("%s, %v", u.ID, err)
	}
	if u, err := d.backend("okta", "", jit).SaveUser(t.Context(), ann("")); !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("%s, %v", u.ID, err)
	}
}

func TestOnePersonInTwoBrowsersIsOneAccount(t *testing.T) {
	d := newDesk(t)
	b := d.backend("okta", "org_1", jit)
	ids := make([]string, 8)
	var browsers sync.WaitGroup
	for i := range ids {
		browsers.Go(func() {
			u, err := b.SaveUser(t.Context(), ann("4711"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = u.ID
		})
	}
	browsers.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("%v", ids)
		}
	}
}

func TestLocalIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		d := newDesk(t)
		d.local("operator")
		env := upstreamtest.Env()
		env.Accounts, env.Directory = d.db, people.NewDirectory(d.db)
		return &upstreamtest.World{
			Provider: &model.Provider{UID: "local", Type: "Local", Local: &model.LocalPolicy{}}, Env: env,
			Right:   upstream.Attempt{Username: "ann@acme.example", Password: "a long pass phrase"},
			Secrets: func() []string { return []string{"a long pass phrase"} },
		}
	})
}

func TestPasswordsMakeNoAccounts(t *testing.T) {
	d := newDesk(t)
	owner := d.local("operator")
	env := upstreamtest.Env()
	env.Accounts, env.Directory = d.db, people.NewDirectory(d.db)
	b, err := upstream.New(&model.Provider{UID: "local", Provisioning: jit, Local: &model.LocalPolicy{}}, env)
	if err != nil {
		t.Fatal(err)
	}
	if u := d.save(b, ann("ann@acme.example")); u.ID != owner.ID {
		t.Error(u.ID)
	}
	if u, err := b.SaveUser(t.Context(), ann("bob@acme.example")); !errors.Is(err, upstream.ErrNotProvisioned) {
		t.Errorf("%s, %v", u.ID, err)
	}
	_, err = b.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Username: "ann@acme.example", Password: "wrong"})
	if why := (*people.Refusal)(nil); !errors.As(err, &why) || why.UserID != owner.ID {
		t.Errorf("the audit log is not told who: %v", err)
	}
}
