package model_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestAnApplicationIsFoundOnlyByItsWholeClientID(t *testing.T) {
	app := &model.Application{UID: "1", ClientID: "acme.cli"}
	acme := model.Organization{ID: "o", Slug: "acme"}.WithMembers([]*model.Application{app}, nil)
	s := model.NewSnapshot("d", []*model.Organization{acme}, nil, nil)
	if o, a := s.Application("acme.cli"); o != acme || a != app {
		t.Errorf("acme.cli is %v of %v", a, o)
	}
	for _, id := range []string{"", ".", "acme", "acme.", "acme.cl", "acme.cli.x", "Acme.cli", "globex.cli", " acme.cli"} {
		if o, a := s.Application(id); o != nil || a != nil {
			t.Errorf("%q is %v of %v", id, a, o)
		}
	}
}

func TestAnEndIsTheFirstMomentWithout(t *testing.T) {
	a := &model.Application{ExpiresAt: noon}
	if !a.Served(noon.Add(-time.Nanosecond)) || a.Served(noon) || a.Served(noon.Add(time.Hour)) {
		t.Error("an application is served until it expires")
	}
	if (&model.Application{Suspended: true}).Served(noon) {
		t.Error("a suspended application is served")
	}
	role := &model.Role{Name: "reader"}
	o := model.Organization{}.WithMembers(nil, map[string][]model.Holding{"ann@acme.com": {{Role: role, NotAfter: noon}}})
	if len(o.RolesOf(proven("ann@acme.com"), noon.Add(-1))) != 1 || len(o.RolesOf(proven("ann@acme.com"), noon)) != 0 {
		t.Error("a role is held until notAfter")
	}
	if len(o.RolesOf(model.Person{}, noon.Add(-1))) != 0 || len(o.RolesOf(proven("Ann@acme.com"), noon.Add(-1))) != 0 {
		t.Error("somebody else holds the role")
	}
}

func TestOnlyOneOfItsSecretsProvesAnApplication(t *testing.T) {
	one, other := model.SecretDigest{1}, model.SecretDigest{2}
	a := &model.Application{Secrets: []model.ClientSecret{{Digest: one}, {Digest: other}}}
	if !a.Proves(one, time.Time{}) || !a.Proves(other, time.Time{}) || a.Proves(model.SecretDigest{3}, time.Time{}) || a.Proves(model.SecretDigest{}, time.Time{}) {
		t.Error("Proves is wrong")
	}
	if (&model.Application{}).Proves(model.SecretDigest{}, time.Time{}) {
		t.Error("no secret proves a public client")
	}
}

func TestACatalogueExpandsWhatItHasAndNothingElse(t *testing.T) {
	c := model.NewCatalogue([]model.Scope{
		{Name: "a:read", Includes: oauth.NewScopeSet("a:read")},
		{Name: "a:write", Includes: oauth.NewScopeSet("a:read", "a:write")},
	})
	if diff := cmp.Diff(oauth.NewScopeSet("a:read", "a:write"), c.Expand(oauth.NewScopeSet("a:write", "b:read"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(oauth.NewScopeSet("b:read"), c.Unknown(oauth.NewScopeSet("a:write", "b:read"))); diff != "" {
		t.Error(diff)
	}
}

func TestScopesOfSeveralRolesAreTheirUnion(t *testing.T) {
	roles := []*model.Role{{Scopes: oauth.NewScopeSet("a:read", "b:read")}, {Scopes: oauth.NewScopeSet("b:read", "c:read")}}
	if diff := cmp.Diff(oauth.NewScopeSet("a:read", "b:read", "c:read"), model.ScopesOf(roles)); diff != "" {
		t.Error(diff)
	}
	if len(model.ScopesOf(nil)) != 0 {
		t.Error("no role has scopes")
	}
}

// proven is somebody who has proven addresses to the installation itself.
func proven(addresses ...string) (p model.Person) {
	for _, a := range addresses {
		p.Addresses = append(p.Addresses, model.ProvenAddress{Address: a})
	}
	return p
}
