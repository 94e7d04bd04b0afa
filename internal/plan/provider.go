package plan

import (
	"cmp"
	"fmt"

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
	before, after := providersByName(c.old), providersByName(c.next)
	for _, at := range eitherOf(before, after) {
		old, next := before[at], after[at]
		r := c.of("", Subject{Kind: kindProvider, Namespace: at.namespace, Name: at.name})
		c.exists(r, old != nil, next != nil)
		if old == nil || next == nil {
			continue
		}
		c.incarnation(r, old.UID, next.UID)
		r.value(FieldType, old.Type, next.Type, Widened) // another way to prove who somebody is
		r.value(FieldDisplayName, old.DisplayName, next.DisplayName, Changed)
		r.passwords(old.Local, next.Local)
	}
}

func providersByName(s *model.Snapshot) map[name]*model.Provider {
	byName := map[name]*model.Provider{}
	for _, p := range s.Providers {
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
