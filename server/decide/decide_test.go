package decide_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rows is a store of one grant and one person.
type rows struct {
	grant   *store.Grant
	user    *store.User
	revoked bool
	told    time.Time     // of the second factor
	used    time.Time     // the session, last
	idle    time.Duration // at the longest

	grantFault, userFault, revokedFault, toldFault, useFault error
}

func (r *rows) Grant(context.Context, [16]byte) (store.Grant, error) {
	if r.grantFault != nil {
		return store.Grant{}, r.grantFault
	}
	if r.grant == nil {
		return store.Grant{}, store.ErrNotFound
	}
	return *r.grant, nil
}

func (r *rows) User(context.Context, string) (store.User, error) {
	if r.userFault != nil {
		return store.User{}, r.userFault
	}
	if r.user == nil {
		return store.User{}, store.ErrNotFound
	}
	return *r.user, nil
}

func (r *rows) ToldOfSecondFactor(context.Context, string, string) (time.Time, error) {
	return r.told, r.toldFault
}

func (r *rows) SessionUse(context.Context, string, string) (time.Time, time.Duration, error) {
	return r.used, r.idle, r.useFault
}

func (r *rows) Revoked(context.Context, [12]byte) (bool, error) { return r.revoked, r.revokedFault }

// place is everything that a decision is made by. Tests change it.
type place struct {
	rows
	minter   *tokens.Minter
	token    tokens.Access
	text     string // empty: the token as it is minted
	now      time.Time
	org      model.Organization
	app      model.Application
	machine  model.Application
	roles    map[string][]model.Holding
	provider *model.Provider
	gone     map[string]time.Time
}

func newPlace(t *testing.T) *place {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	scopes := oauth.NewScopeSet("org:read", "project:read")
	role := model.Holding{Role: &model.Role{UID: "role", Scopes: scopes}}
	provider := &model.Provider{UID: "local"}
	return &place{
		rows: rows{
			grant: &store.Grant{
				ID: [16]byte{1}, UserID: "ann", ApplicationUID: "cli", OrganizationID: "acme", ProviderUID: "local",
				Scopes: scopes, AuthTime: noon, CreatedAt: noon, ExpiresAt: noon.Add(24 * time.Hour),
			},
			user: &store.User{ID: "ann", Email: "ann@example.com", Login: "ann@example.com", EmailProvenBy: "operator"},
		},
		minter: tokens.NewMinter("https://id.example", keys),
		token: tokens.Access{
			GrantID: [16]byte{1}, OrganizationID: "acme", Serial: tokens.NewSerial(), Scopes: scopes,
			IssuedAt: noon, ExpiresAt: noon.Add(time.Hour),
		},
		now:      noon.Add(time.Minute),
		org:      model.Organization{ID: "acme", Slug: "acme", Providers: []*model.Provider{provider}},
		app:      model.Application{UID: "cli", ClientID: "acme.cli", Scopes: scopes, ProtocolScopes: oauth.NewScopeSet(oauth.OfflineAccess)},
		machine:  model.Application{UID: "ci", ClientID: "acme.ci", Scopes: scopes, Holdings: []model.Holding{role}},
		roles:    map[string][]model.Holding{"ann@example.com": {role}},
		provider: provider, gone: map[string]time.Time{},
	}
}

// ofMachine makes the token the machine's own.
func (p *place) ofMachine() {
	p.token.GrantID, p.token.ApplicationUID = [16]byte{}, "ci"
}

func (p *place) decide(t *testing.T) (decide.Verdict, error) {
	t.Helper()
	if p.text == "" {
		p.text = p.minter.MintAccess(&p.token)
	}
	org := p.org.WithMembers([]*model.Application{&p.app, &p.machine}, p.roles)
	w := &decide.World{Snapshot: model.NewSnapshot("d", []*model.Organization{org}, []*model.Provider{p.provider}, nil), Gone: p.gone}
	d := decide.Decider{Store: &p.rows, Tokens: p.minter}
	return d.Token(t.Context(), w, p.now, p.text)
}

// ends are the causes for which a person's token may not be used, by their reason, in the
// order in which they are looked for.
var ends = []struct {
	reason decide.Reason
	causes map[string]func(*place)
}{
	{decide.NotAuthentic, map[string]func(*place){
		"no token":               func(p *place) { p.text = "gat_" },
		"another minter's token": func(p *place) { p.text = "gat_0" + p.minter.MintAccess(&p.token)[4:] },
	}},
	{decide.Expired, map[string]func(*place){
		"expired": func(p *place) { p.now = p.token.ExpiresAt },
	}},
	{decide.Revoked, map[string]func(*place){
		"revoked": func(p *place) { p.revoked = true },
	}},
	{decide.GrantEnded, map[string]func(*place){
		"no such grant":   func(p *place) { p.grant = nil },
		"a revoked grant": func(p *place) { p.grant.RevokedAt = p.now },
		"a grant that is over": func(p *place) {
			p.grant.ExpiresAt = p.now
		},
	}},
	{decide.OrganizationGone, map[string]func(*place){
		"no such organization":      func(p *place) { p.org.ID = "another" },
		"a suspended organization":  func(p *place) { p.org.Suspended = true },
		"an organization gone once": func(p *place) { p.gone["acme"] = noon },
	}},
	{decide.ApplicationGone, map[string]func(*place){
		"no such application":      func(p *place) { p.app.UID = "another" },
		"a suspended application":  func(p *place) { p.app.Suspended = true },
		"an expired application":   func(p *place) { p.app.ExpiresAt = p.now },
		"an application gone once": func(p *place) { p.gone["cli"] = noon },
	}},
	{decide.PersonGone, map[string]func(*place){
		"no such person":     func(p *place) { p.user = nil },
		"a disabled account": func(p *place) { p.user.Disabled = true },
	}},
	{decide.NotMember, map[string]func(*place){
		"no role": func(p *place) { p.roles = nil },
		"a role whose time is over": func(p *place) {
			p.roles = map[string][]model.Holding{"ann@example.com": {{Role: p.roles["ann@example.com"][0].Role, NotAfter: p.now}}}
		},
		"another address":          func(p *place) { p.user.Login = "bob@example.com" },
		"an address nobody proved": func(p *place) { p.user.EmailProvenBy = "" },
	}},
	{decide.ProviderDoesNotCount, map[string]func(*place){
		"no provider counts":   func(p *place) { p.org.Providers = nil },
		"another provider":     func(p *place) { p.grant.ProviderUID = "sso" },
		"a provider gone once": func(p *place) { p.gone["local"] = noon },
		"a provider made anew": func(p *place) { p.org.Providers = []*model.Provider{{UID: "local-2"}} },
	}},
}

// What rests on a provider or an organization that was absent since is dead, though the
// object is back under the same name; what it says anew counts.
func TestWhatWasSaidBeforeAnAbsenceGivesNothing(t *testing.T) {
	role := &model.Role{UID: "role", Scopes: oauth.NewScopeSet("org:read")}
	group := model.Group{ProviderUID: "okta", Name: "platform"}
	for name, c := range map[string]struct {
		identity    store.Identity
		memberships []model.Membership
		gone        string
	}{
		"an address":    {store.Identity{ProviderUID: "okta", Email: "eve@acme.com", EmailProvenAt: noon}, nil, "okta"},
		"a group":       {store.Identity{ProviderUID: "okta", Groups: []string{"platform"}, GroupsAt: noon}, nil, "okta"},
		"a membership":  {store.Identity{}, []model.Membership{{OrganizationID: "acme", Source: model.MemberByProvider, ProviderUID: "okta", At: noon}}, "okta"},
		"an invitation": {store.Identity{}, []model.Membership{{OrganizationID: "acme", Source: model.MemberByInvitation, At: noon}}, "acme"},
	} {
		o := model.Organization{ID: "acme", Slug: "acme", Providers: []*model.Provider{{UID: "okta", OrganizationID: "acme", GroupsMaxAge: time.Hour}}}.
			WithMembers(nil, map[string][]model.Holding{"eve@acme.com": {{Role: role}}}).
			WithGroups(map[model.Group][]model.Holding{group: {{Role: role}}}, []*model.Role{role})
		u := &store.User{ID: "eve", Identities: []store.Identity{c.identity}, Memberships: c.memberships}
		for at, want := range map[time.Time]int{noon.Add(-1): 1, noon: 0} {
			w := &decide.World{Snapshot: model.NewSnapshot("d", []*model.Organization{o}, nil, nil), Gone: map[string]time.Time{c.gone: at}}
			if got := o.RolesOf(w.Person(u), noon.Add(time.Minute)); len(got) != want {
				t.Errorf("%s, gone at %v: %d roles, want %d", name, at, len(got), want)
			}
		}
		if len(u.Memberships) != len(c.memberships) {
			t.Errorf("%s: what others read was changed", name)
		}
	}
}

func TestTokenInForceIsActiveWithItsScopes(t *testing.T) {
	p := newPlace(t)
	v, err := p.decide(t)
	if err != nil || !v.Active() || v.User.ID != "ann" || v.Application.UID != "cli" || v.Organization.ID != "acme" || v.Scopes.String() != "org:read project:read" {
		t.Errorf("%+v, %v", v, err)
	}
	p = newPlace(t)
	p.ofMachine()
	v, err = p.decide(t)
	if err != nil || !v.Active() || v.User != nil || v.Grant != nil || v.Application.UID != "ci" || v.Scopes.String() != "org:read project:read" {
		t.Errorf("a machine's: %+v, %v", v, err)
	}
}

func TestEachReasonIsGivenForWhatCausesIt(t *testing.T) {
	for _, end := range ends {
		for name, cause := range end.causes {
			t.Run(name, func(t *testing.T) {
				p := newPlace(t)
				cause(p)
				v, err := p.decide(t)
				if err != nil || v.Reason != end.reason || v.Active() || len(v.Scopes) != 0 {
					t.Errorf("%q with scopes %v, %v; want %q", v.Reason, v.Scopes, err, end.reason)
				}
			})
		}
	}
}

// Of two causes the one that is looked for first is given, whatever the other is.
func TestReasonsHaveAnOrder(t *testing.T) {
	for i, first := range ends {
		for _, second := range ends[i+1:] {
			for one, cause := range first.causes {
				for other, also := range second.causes {
					p := newPlace(t)
					also(p)
					if p.grant == nil || p.user == nil { // the other cause has taken away what this one changes
						p.grant, p.user = newPlace(t).grant, newPlace(t).user
					}
					cause(p)
					if v, err := p.decide(t); err != nil || v.Reason != first.reason {
						t.Errorf("%s and %s: %q, %v; want %q", one, other, v.Reason, err, first.reason)
					}
				}
			}
		}
	}
}

func TestMachinesTokenEndsWithItsApplication(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*place)
		want   decide.Reason
	}{
		"no such application":       {func(p *place) { p.machine.UID = "another" }, decide.ApplicationGone},
		"a suspended application":   {func(p *place) { p.machine.Suspended = true }, decide.ApplicationGone},
		"an expired application":    {func(p *place) { p.machine.ExpiresAt = p.now }, decide.ApplicationGone},
		"an application gone once":  {func(p *place) { p.gone["ci"] = noon }, decide.ApplicationGone},
		"a suspended organization":  {func(p *place) { p.org.Suspended = true }, decide.OrganizationGone},
		"no such organization":      {func(p *place) { p.org.ID = "another" }, decide.OrganizationGone},
		"an organization gone once": {func(p *place) { p.gone["acme"] = noon.Add(time.Second) }, decide.OrganizationGone},
		"a revoked token":           {func(p *place) { p.revoked = true }, decide.Revoked},
		"an expired token":          {func(p *place) { p.now = noon.Add(time.Hour) }, decide.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.ofMachine()
			c.change(p)
			if v, err := p.decide(t); err != nil || v.Reason != c.want || len(v.Scopes) != 0 {
				t.Errorf("%q with %v, %v; want %q", v.Reason, v.Scopes, err, c.want)
			}
		})
	}
}

// What was gone before the token was issued does not end it.
func TestObjectsThatCameBackBeforeCount(t *testing.T) {
	for _, uid := range []string{"acme", "cli", "local"} {
		p := newPlace(t)
		p.gone[uid] = noon.Add(-time.Millisecond)
		if v, err := p.decide(t); err != nil || !v.Active() {
			t.Errorf("%s: %q, %v", uid, v.Reason, err)
		}
	}
}

// A token that names another organization than its grant was not minted by us.
func TestTokenOfAnotherOrganizationThanItsGrantIsNotAuthentic(t *testing.T) {
	p := newPlace(t)
	p.token.OrganizationID = "globex"
	if v, err := p.decide(t); err != nil || v.Reason != decide.NotAuthentic {
		t.Errorf("%q, %v", v.Reason, err)
	}
}

func TestScopesAreWhatWasGrantedWithinCeilingAndRole(t *testing.T) {
	set := oauth.NewScopeSet
	for name, c := range map[string]struct{ granted, ceiling, role, want oauth.ScopeSet }{
		"all of it":             {set("a", "b"), set("a", "b"), set("a", "b"), set("a", "b")},
		"less was granted":      {set("a"), set("a", "b"), set("a", "b"), set("a")},
		"the ceiling fell":      {set("a", "b"), set("b"), set("a", "b"), set("b")},
		"the role changed":      {set("a", "b"), set("a", "b"), set("b", "c"), set("b")},
		"nothing is left":       {set("a"), set("b"), set("a", "b"), nil},
		"the role grants more":  {set("a"), set("a", "b"), set("a", "b", "c"), set("a")},
		"a scope in no role":    {set("a", oauth.OfflineAccess), set("a"), set("a"), set("a", oauth.OfflineAccess)},
		"a scope never granted": {set("a"), set("a"), set("a", oauth.OfflineAccess), set("a")},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			p.token.Scopes, p.app.Scopes = c.granted, c.ceiling
			p.roles["ann@example.com"][0].Role.Scopes = c.role
			v, err := p.decide(t)
			if diff := cmp.Diff(c.want, v.Scopes); err != nil || diff != "" || !v.Active() {
				t.Errorf("%v %q %s", err, v.Reason, diff)
			}
		})
	}
}

// A store that does not answer is an error, whatever else is the case: nothing is allowed.
func TestFaultOfTheStoreAllowsNothing(t *testing.T) {
	down := fmt.Errorf("read: %w", store.ErrUnavailable)
	for name, fault := range map[string]func(*place){
		"revocations":             func(p *place) { p.revokedFault = down },
		"the grant":               func(p *place) { p.grantFault = down },
		"the person":              func(p *place) { p.userFault = down },
		"all of it":               func(p *place) { p.revokedFault, p.grantFault, p.userFault = down, down, down },
		"a machine's revocations": func(p *place) { p.ofMachine(); p.revokedFault = down },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			fault(p)
			if v, err := p.decide(t); !errors.Is(err, store.ErrUnavailable) || v.Active() || len(v.Scopes) != 0 {
				t.Errorf("verdict %q with scopes %v, error %v", v.Reason, v.Scopes, err)
			}
		})
	}
}
