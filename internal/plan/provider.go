package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func providerNames(list []*model.Provider) (names []string) {
	for _, p := range list {
		names = append(names, nameOf(p.Namespace, p.Name).String())
	}
	return names
}

// providers compares the ways to sign in of the whole installation. Which of them count
// where is the organizations' business.
func (c *comparison) providers() {
	c.compareProviders("", providersByName(c.old.Providers), providersByName(c.next.Providers), false)
}

// ownProviders compares those that are an organization's own.
func (c *comparison) ownProviders(old, next *model.Organization, of record) {
	own := func(o *model.Organization) map[name]*model.Provider {
		if o == nil {
			return nil
		}
		return providersByName(slices.DeleteFunc(slices.Clone(o.Providers), (*model.Provider).Installation))
	}
	c.compareProviders(of.organization, own(old), own(next), of.quiet)
}

func (c *comparison) compareProviders(organization string, before, after map[name]*model.Provider, quiet bool) {
	for _, at := range eitherOf(before, after) {
		old, next := before[at], after[at]
		r := c.of(organization, Subject{Kind: kindProvider, Namespace: at.namespace, Name: at.name})
		r.quiet = quiet
		c.exists(r, old != nil, next != nil)
		if old == nil || next == nil {
			continue
		}
		c.incarnation(r, born(old), born(next))
		r.value(FieldType, old.Type, next.Type, Widened) // another way to prove who somebody is
		r.value(FieldDisplayName, old.DisplayName, next.DisplayName, Changed)
		suspension(r, old.Suspended, next.Suspended)
		r.passwords(old.Local, next.Local)
		r.settings(old, next)
		r.mapping(old, next)
		r.provisioning(old.Provisioning, next.Provisioning)
		r.life(FieldGroupsMaxAge, old.GroupsMaxAge, next.GroupsMaxAge)
	}
}

// born tells one incarnation from another, and from one whose Organization is another.
func born(p *model.Provider) string {
	if p.Installation() {
		return p.UID
	}
	return p.UID + " of " + p.OrganizationID
}

func providersByName(list []*model.Provider) map[name]*model.Provider {
	byName := map[name]*model.Provider{}
	for _, p := range list {
		byName[nameOf(p.Namespace, p.Name)] = p
	}
	return byName
}

// openness orders who may make an account.
var openness = map[string]int{model.RegistrationClosed: 0, model.RegistrationInvitationOnly: 1, model.RegistrationOpen: 2}

// passwords compares the rules for new passwords: the weaker ones are the wider.
func (r record) passwords(old, next *model.LocalPolicy) {
	none := model.LocalPolicy{}
	if old == nil {
		old = &none
	}
	if next == nil {
		next = &none
	}
	effect := Narrowed
	if next.MinLength < old.MinLength {
		effect = Widened
	}
	r.value(FieldMinLength, fmt.Sprint(old.MinLength), fmt.Sprint(next.MinLength), effect)
	r.allows(FieldCheckCommon, !old.CheckCommon, !next.CheckCommon, "refused", "taken")
	before, after := cmp.Or(old.Registration, model.RegistrationClosed), cmp.Or(next.Registration, model.RegistrationClosed)
	effect = Narrowed
	if openness[after] > openness[before] {
		effect = Widened
	}
	r.value(FieldRegistration, before, after, effect)
	r.allows(FieldResetEnabled, old.ResetEnabled, next.ResetEnabled, "not mailed", "mailed to people who ask")
}

// settings compares by whom people are asked elsewhere. Whoever answers there says who
// everybody is, so another one is wider; what is only asked for differently is not.
func (r record) settings(old, next *model.Provider) {
	before, after := old.Settings(), next.Settings()
	r.github(old.GitHub, next.GitHub)
	for _, name := range settingNames(before, after) {
		was, is := settingOf(before, name), settingOf(after, name)
		effect := Widened
		switch {
		case name == "organizations": // a set, compared as one
			continue
		case slices.Contains([]string{"scopes", "prompt", "nameIDFormat", "clientID", "secret", "bindDN", "entityID"}, name):
			effect = Changed
		case (name == "pkce" || name == "startTLS") && is == "true", name == "allowIdPInitiated" && was == "true":
			effect = Narrowed
		}
		r.setting(FieldSettings, name, was, is, effect)
	}
	if settingOf(before, "secret") == settingOf(after, "secret") && !old.Secret().Equal(next.Secret()) {
		r.add(Change{Effect: Changed, Field: FieldSettings, Before: "secret", After: "another secret"})
	}
}

// github compares of which organizations people must be members: of none, everybody is let
// in who has an account there.
func (r record) github(old, next *model.GitHubSettings) {
	if old == nil || next == nil {
		return
	}
	switch everybody, anybody := len(old.Organizations) == 0, len(next.Organizations) == 0; {
	case everybody && anybody:
	case anybody:
		r.add(Change{Effect: Widened, Field: FieldUpstreamMembers, Before: listed(old.Organizations), After: "everybody"})
	case everybody:
		r.add(Change{Effect: Narrowed, Field: FieldUpstreamMembers, Before: "everybody", After: listed(next.Organizations)})
	default:
		r.set(FieldUpstreamMembers, old.Organizations, next.Organizations)
	}
}

// mapping compares what is read from the answers. Two expressions cannot be compared, so
// another one is wider, but for the name that people are shown.
func (r record) mapping(old, next *model.Provider) {
	before, after := old.Rules(), next.Rules()
	for _, name := range settingNames(before, after) {
		was, is := settingOf(before, name), settingOf(after, name)
		effect := Widened
		switch name {
		case "provisioning.mode", "provisioning.linkBy", "groupsMaxAge": // below
			continue
		case "mapping.name":
			effect = Changed
		case "mapping.require", "mapping.groups", "mapping.amr":
			if was == "" && name == "mapping.require" || is == "" && name != "mapping.require" {
				effect = Narrowed
			}
		}
		r.setting(FieldMapping, name, was, is, effect)
	}
}

// setting notes one by name, with none for one that is not in force.
func (r record) setting(field, name, was, is string, effect Effect) {
	if was == is {
		return
	}
	show := func(value string) string {
		if value == "" {
			return name + ": none"
		}
		return name + ": " + value
	}
	r.add(Change{Effect: effect, Field: field, Before: show(was), After: show(is)})
}

func (r record) provisioning(old, next model.Provisioning) {
	modes := []string{model.ProvisionDeny, model.ProvisionLinkOnly, model.ProvisionJIT} // from the narrowest
	effect := Widened
	if slices.Index(modes, next.Mode) < slices.Index(modes, old.Mode) {
		effect = Narrowed
	}
	r.value(FieldProvisioning, old.Mode, next.Mode, effect)
	effect = Narrowed
	if next.LinkBy != model.LinkBySubject {
		effect = Widened
	}
	r.value(FieldLinkBy, old.LinkBy, next.LinkBy, effect)
}

// settingNames are the names of both, in order, each once.
func settingNames(before, after []model.Setting) (names []string) {
	for _, s := range append(slices.Clone(before), after...) {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

func settingOf(all []model.Setting, name string) string {
	i := slices.IndexFunc(all, func(s model.Setting) bool { return s.Name == name })
	if i < 0 {
		return ""
	}
	return all[i].Value
}
