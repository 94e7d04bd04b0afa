package model

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

func TestOnlySubtracts(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	role := &Role{UID: "r", Scopes: oauth.NewScopeSet("a", "b")}
	smaller := &Role{UID: "r", Scopes: oauth.NewScopeSet("b", "c")}
	local := &Provider{UID: "p"}
	world := func(suspended bool, r *Role, apps ...*Application) *Snapshot {
		o := Organization{ID: "o", Slug: "acme", Suspended: suspended, Providers: []*Provider{local}}
		return NewSnapshot("d", []*Organization{o.WithMembers(apps, map[string][]Holding{"ann": {{Role: r}}})}, []*Provider{local}, nil)
	}
	secret, other := SecretDigest{1}, SecretDigest{2}
	old := world(false, role,
		&Application{UID: "1", ClientID: "acme.one", Secrets: []ClientSecret{{Digest: secret}}, Scopes: oauth.NewScopeSet("a", "b")},
		&Application{UID: "2", ClientID: "acme.two"},
		&Application{UID: "3", ClientID: "acme.three", Secrets: []ClientSecret{{Digest: secret}}},
		&Application{UID: "4", ClientID: "acme.four", Secrets: []ClientSecret{{Digest: secret}}},
	)
	next := world(false, smaller,
		&Application{UID: "1", ClientID: "acme.one", Secrets: []ClientSecret{{Digest: other}, {Digest: secret, NotAfter: noon}}, Scopes: oauth.NewScopeSet("b", "c"), ExpiresAt: noon},
		&Application{UID: "3", ClientID: "acme.three", Secrets: []ClientSecret{{Digest: other}}},
		&Application{UID: "4", ClientID: "acme.four"},
		&Application{UID: "5", ClientID: "acme.five"},
	)
	got := old.Only(next).Organization("o")
	one := got.Application("1")
	if one == nil || one.Scopes.String() != "b" || one.Served(noon) || !one.Proves(secret, noon.Add(-1)) || one.Proves(secret, noon) || one.Proves(other, noon.Add(-1)) {
		t.Errorf("what both have is %+v", one)
	}
	for uid, why := range map[string]string{"2": "removed", "3": "left without a secret", "4": "made public", "5": "new"} {
		if got.Application(uid) != nil {
			t.Errorf("application %s is served though it is %s", uid, why)
		}
	}
	if scopes := ScopesOf(got.RolesOf(Person{Addresses: []ProvenAddress{{Address: "ann"}}}, noon)); scopes.String() != "b" {
		t.Errorf("ann holds %s", scopes)
	}
	if !old.Only(world(true, role)).Organization("o").Suspended {
		t.Error("a suspension is not served")
	}
	if old.Only(NewSnapshot("", nil, nil, nil)).Organization("o") != nil {
		t.Error("a removed organization is served")
	}
}

// A custom scope that the next snapshot no longer has, or that includes less there, gives
// an application of another organization no more than it will.
func TestOnlyTheScopesOfBothCataloguesAreLeft(t *testing.T) {
	world := func(scopes ...Scope) *Snapshot {
		home := Organization{ID: "h", Slug: "home", Catalogue: NewCatalogue(nil)}.WithMembers([]*Application{{
			UID: "1", ClientID: "home.app", AnyOrganization: true, Declared: oauth.NewScopeSet("a:admin", "b:read"),
		}}, nil)
		abroad := Organization{ID: "o", Slug: "acme", External: ExternalApplications{All: true}, Catalogue: NewCatalogue(scopes)}.WithMembers(nil, nil)
		return NewSnapshot("d", []*Organization{home, abroad}, nil, nil)
	}
	old := world(Scope{Name: "a:admin", Includes: oauth.NewScopeSet("a:admin", "a:read")}, Scope{Name: "b:read", Includes: oauth.NewScopeSet("b:read")})
	next := world(Scope{Name: "a:admin", Includes: oauth.NewScopeSet("a:admin", "c:read")})
	left := old.Only(next)
	o := left.Organization("o")
	if got := left.ApplicationIn(o, "1").ScopesIn(o).String(); got != "a:admin" {
		t.Errorf("%q is left", got)
	}
}

func TestTheStricterRuleForPasswordsIsLeft(t *testing.T) {
	world := func(p LocalPolicy) *Snapshot { return NewSnapshot("d", nil, []*Provider{{UID: "p", Local: &p}}, nil) }
	old, next := world(LocalPolicy{MinLength: 8, CheckCommon: true, Registration: RegistrationOpen, ResetEnabled: true}), world(LocalPolicy{MinLength: 16, Registration: RegistrationInvitationOnly})
	if got := *old.Only(next).Provider("p").Local; got != (LocalPolicy{MinLength: 16, CheckCommon: true, Registration: RegistrationInvitationOnly}) {
		t.Errorf("%+v is left", got)
	}
	if got := *old.Provider("p").Local; got.MinLength != 8 {
		t.Error("what others read was changed")
	}
}
