package model_test

import (
	"testing"

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
