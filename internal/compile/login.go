package compile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Longest lives of a session, which hold for all; those of an Organization are within.
const (
	sessionIdleMost     = 24 * time.Hour
	sessionAbsoluteMost = 720 * time.Hour
)

// loginRules reads which sign-ins count. Every rule restricts, so that a bad one means that
// the Organization is not served: without it people would get in who must not.
func loginRules(l *v1alpha1.Login, r *Report) model.LoginRules {
	if l == nil {
		l = &v1alpha1.Login{}
	}
	const year = 365 * 24 * time.Hour
	session := l.Session
	if session == nil {
		session = &v1alpha1.SessionLimits{}
	}
	rules := model.LoginRules{
		EnforceSSO:   l.EnforceSSO,
		SSOMaxAge:    length(l.SSOMaxAge, "spec.login.ssoMaxAge", bounds{least: time.Minute, most: year}, model.SSOMaxAgeDefault, r),
		SecondFactor: secondFactorRule(l.SecondFactor, r),
		Session: model.SessionLimits{
			Idle:     length(session.IdleTimeout, "spec.login.session.idleTimeout", bounds{least: 5 * time.Minute, most: sessionIdleMost}, sessionIdleMost, r),
			Absolute: length(session.AbsoluteLifetime, "spec.login.session.absoluteLifetime", bounds{least: time.Minute, most: sessionAbsoluteMost}, sessionAbsoluteMost, r),
		},
		BreakGlass: breakGlass(l.BreakGlass, r),
	}
	// What holds for every session anyway is no limit of the Organization, and costs no look.
	if rules.Session.Idle == sessionIdleMost {
		rules.Session.Idle = 0
	}
	if rules.Session.Absolute == sessionAbsoluteMost {
		rules.Session.Absolute = 0
	}
	return rules
}

func secondFactorRule(s *v1alpha1.SecondFactorRule, r *Report) (rule model.SecondFactorRule) {
	const field = "spec.login.secondFactor"
	if s == nil {
		return rule
	}
	rule.ProviderAMR = s.AcceptProviderAMR
	grace := length(s.GracePeriod, field+".gracePeriod", bounds{most: 90 * 24 * time.Hour}, 7*24*time.Hour, r)
	switch s.Mode {
	case v1alpha1.SecondFactorOptional:
	case v1alpha1.SecondFactorRequired:
		rule.Required, rule.GracePeriod = true, grace
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, field+".mode", "%s is not served; use Optional or Required", quote(s.Mode))
	}
	return rule
}

// breakGlass reads who gets in when the provider elsewhere is down. A list with a mistake
// would lock out whoever it was written for, on the one day that it is needed: so it is told
// like any other restriction, before that day.
func breakGlass(list []v1alpha1.BreakGlass, r *Report) (people []string) {
	for i, b := range list {
		if !address(b.User) {
			r.refuse(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.login.breakGlass[%d].user", i), "%s is not an address; write it like owner@acme.com", quote(b.User))
			continue
		}
		people = append(people, strings.ToLower(b.User))
	}
	slices.Sort(people)
	return slices.Compact(people)
}

var domainShape = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// homeDomains reads the domains that lead people to a provider. They prove nothing, so one
// that is none is left out.
func homeDomains(list []v1alpha1.Domain, r *Report) (domains []string) {
	for i, d := range list {
		if len(d) > 253 || !domainShape.MatchString(string(d)) {
			r.find(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("spec.domains[%d]", i), "%s is not a domain; write it in lower case, like acme.com", quote(d))
			continue
		}
		domains = append(domains, string(d))
	}
	slices.Sort(domains)
	return slices.Compact(domains)
}
