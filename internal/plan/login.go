package plan

import (
	"cmp"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// loginRules compares which sign-ins count. Whatever lets a sign-in count that did not is
// wider. A rule that nothing rests on is compared all the same: tomorrow something may.
func (r record) loginRules(old, rules model.LoginRules) {
	r.allows(FieldEnforceSSO, !old.EnforceSSO, !rules.EnforceSSO, "do not count", "count")
	r.life(FieldSSOMaxAge, old.SSOMaxAge, rules.SSOMaxAge)
	r.allows(FieldSecondFactor, !old.SecondFactor.Required, !rules.SecondFactor.Required, "required", "optional")
	switch { // without the rule there is no time to keep to
	case old.SecondFactor.Required && rules.SecondFactor.Required:
		r.life(FieldGracePeriod, old.SecondFactor.GracePeriod, rules.SecondFactor.GracePeriod)
	case old.SecondFactor.GracePeriod != rules.SecondFactor.GracePeriod:
		r.value(FieldGracePeriod, written(old.SecondFactor.GracePeriod), written(rules.SecondFactor.GracePeriod), Changed)
	}
	r.allows(FieldProviderAMR, old.SecondFactor.ProviderAMR, rules.SecondFactor.ProviderAMR, "does not count", "counts")
	r.limit(FieldSessionIdle, old.Session.Idle, rules.Session.Idle)
	r.limit(FieldSessionLife, old.Session.Absolute, rules.Session.Absolute)
	r.set(FieldBreakGlass, old.BreakGlass, rules.BreakGlass)
}

// limit notes a length of time that limits; none is the longest.
func (r record) limit(field string, before, after time.Duration) {
	effect := Narrowed
	if after == 0 || before != 0 && after > before {
		effect = Widened
	}
	r.value(field, cmp.Or(written(before), "as any session"), cmp.Or(written(after), "as any session"), effect)
}

func roleNames(roles []*model.Role) (names []string) {
	for _, role := range roles {
		names = append(names, nameOf(role.Namespace, role.Name).String())
	}
	return names
}

// branding names what people see; a picture by its hash.
func branding(b model.Branding) string {
	return strings.Join(strings.Fields(b.PrimaryColor+" "+b.SupportURL+" "+b.LogoPath), " ")
}

// groups compares what whoever is in a group of a provider may do.
func (c *comparison) groups(old, next *model.Organization, of record) {
	before, after := servedGroups(old), servedGroups(next)
	for _, group := range eitherOfFunc(before, after, strings.Compare) {
		r := c.of(of.organization, Subject{Kind: KindGroup, Name: group})
		mine, theirs := rightsOf(before[group]), rightsOf(after[group])
		gains, loses := difference(mine.roles, theirs.roles, false)
		r.items(FieldRoles, gains, loses)
		gains, loses = difference(mine.scopes, theirs.scopes, true)
		r.items(FieldScopes, gains, loses)
	}
}

// servedGroups are the holdings of groups, by the name of the group and of its provider.
func servedGroups(o *model.Organization) map[string][]model.Holding {
	groups := map[string][]model.Holding{}
	if o == nil || o.Suspended {
		return groups
	}
	for g, holdings := range o.Groups() {
		from := g.ProviderUID
		if p := o.Provider(g.ProviderUID); p != nil {
			from = nameOf(p.Namespace, p.Name).String()
		}
		groups[g.Name+" of "+from] = holdings
	}
	return groups
}
