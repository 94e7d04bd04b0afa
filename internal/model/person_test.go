package model_test

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// ASVS 6.8.1: what the provider of another tenant says of an address is worth nothing here.
func TestAnAddressCountsByWhoProvedIt(t *testing.T) {
	role := &model.Role{Name: "reader"}
	o := model.Organization{Providers: []*model.Provider{{UID: "okta"}}}.
		WithMembers(nil, map[string][]model.Holding{"ann@acme.com": {{Role: role}}})
	for by, want := range map[string]int{"": 1, "okta": 1, "another tenant's": 0} {
		p := model.Person{Addresses: []model.ProvenAddress{{Address: "ann@acme.com", ProviderUID: by}}}
		if got := o.RolesOf(p, noon); len(got) != want {
			t.Errorf("proven by %q: %d roles, want %d", by, len(got), want)
		}
		if got := o.Proven(p, "ann@acme.com"); got != (want == 1) {
			t.Errorf("proven by %q: %v", by, got)
		}
	}
}

func TestARoleThatSeveralAddressesHoldIsHeldOnce(t *testing.T) {
	one, other := &model.Role{Name: "one"}, &model.Role{Name: "other"}
	o := model.Organization{}.WithMembers(nil, map[string][]model.Holding{
		"ann@acme.com": {{Role: one}}, "ann@globex.com": {{Role: one}, {Role: other}},
	})
	if got := o.RolesOf(proven("ann@acme.com", "ann@globex.com", "ann@acme.com"), noon); len(got) != 2 || got[0] != one || got[1] != other {
		t.Errorf("%d roles", len(got))
	}
}

// A group is its provider's: one of the same name elsewhere is another, and what was said of
// it long ago gives nothing.
func TestAGroupHoldsWhatItsProviderSaysNow(t *testing.T) {
	role := &model.Role{Name: "reader"}
	group := model.Group{ProviderUID: "okta", Name: "platform"}
	o := model.Organization{ID: "acme", Providers: []*model.Provider{{UID: "okta", GroupsMaxAge: time.Hour}, {UID: "github", GroupsMaxAge: time.Hour}}}.
		WithMembers(nil, nil).WithGroups(map[model.Group][]model.Holding{group: {{Role: role}}}, nil)
	for name, c := range map[string]struct {
		fact model.GroupFact
		want int
	}{
		"said just now":                  {model.GroupFact{ProviderUID: "okta", Names: []string{"a", "platform"}, At: noon}, 1},
		"said a moment before it is old": {model.GroupFact{ProviderUID: "okta", Names: []string{"platform"}, At: noon.Add(-time.Hour + 1)}, 1},
		"too old":                        {model.GroupFact{ProviderUID: "okta", Names: []string{"platform"}, At: noon.Add(-time.Hour)}, 0},
		"another provider's":             {model.GroupFact{ProviderUID: "github", Names: []string{"platform"}, At: noon}, 0},
		"one that does not count":        {model.GroupFact{ProviderUID: "of another tenant", Names: []string{"platform"}, At: noon}, 0},
		"another case":                   {model.GroupFact{ProviderUID: "okta", Names: []string{"Platform"}, At: noon}, 0},
	} {
		p := model.Person{Groups: []model.GroupFact{c.fact}}
		if got := o.RolesOf(p, noon); len(got) != c.want || o.Member(p, noon) != (c.want == 1) {
			t.Errorf("%s: %d roles, member %v", name, len(got), o.Member(p, noon))
		}
	}
}

// The default Roles are for members whom no other Role names, and for nobody else.
func TestMembersWithoutAnotherRoleHoldTheDefaultOnes(t *testing.T) {
	named, byDefault := &model.Role{Name: "owner"}, &model.Role{Name: "member", Default: true}
	o := model.Organization{ID: "acme", Providers: []*model.Provider{{UID: "okta", OrganizationID: "acme"}, {UID: "local"}}}.
		WithMembers(nil, map[string][]model.Holding{"ann@acme.com": {{Role: named}}}).WithGroups(nil, []*model.Role{byDefault})
	invited := []model.Membership{{OrganizationID: "acme", Source: model.MemberByInvitation}}
	by := func(provider, organization string) []model.Membership {
		return []model.Membership{{OrganizationID: organization, Source: model.MemberByProvider, ProviderUID: provider}}
	}
	for name, c := range map[string]struct {
		memberships []model.Membership
		address     string
		want        *model.Role
	}{
		"a stranger":                        {nil, "", nil},
		"invited":                           {invited, "", byDefault},
		"invited, and named":                {invited, "ann@acme.com", named},
		"by its own provider":               {by("okta", "acme"), "", byDefault},
		"by a provider of the installation": {by("local", "acme"), "", nil},
		"by a provider that does not count any more": {by("gone", "acme"), "", nil},
		"a member of another":                        {by("okta", "globex"), "", nil},
		"by a way that nobody knows":                 {[]model.Membership{{OrganizationID: "acme", Source: "?"}}, "", nil},
	} {
		p := model.Person{Memberships: c.memberships}
		if c.address != "" {
			p.Addresses = []model.ProvenAddress{{Address: c.address}}
		}
		got := o.RolesOf(p, noon)
		if c.want == nil && (len(got) > 0 || o.Member(p, noon)) || c.want != nil && (len(got) != 1 || got[0] != c.want || !o.Member(p, noon)) {
			t.Errorf("%s: %v, member %v", name, got, o.Member(p, noon))
		}
	}
}

func TestTheRankOfSomebodyIsThatOfTheirHighestRole(t *testing.T) {
	if got := model.Rank([]*model.Role{{Priority: 10}, {Priority: 50}, {}}); got != 50 {
		t.Errorf("rank %d", got)
	}
	if got := model.Rank(nil); got != 0 {
		t.Errorf("rank %d of nobody", got)
	}
}
