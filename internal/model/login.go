package model

import (
	"slices"
	"time"
)

// LoginRules say which sign-ins count in an organization, besides by whom.
type LoginRules struct {
	EnforceSSO   bool          // only sign-ins by a provider elsewhere count
	SSOMaxAge    time.Duration // for how long such a sign-in counts
	SecondFactor SecondFactorRule
	Session      SessionLimits
	// BreakGlass are the lower-cased addresses of those whose password counts under
	// EnforceSSO, with a second factor; sorted.
	BreakGlass []string
}

// SSOMaxAgeDefault is for how long a sign-in elsewhere counts unless it is said: whoever
// left there is out here after it, whatever else is known of them.
const SSOMaxAgeDefault = 168 * time.Hour

// SecondFactorRule says whether a sign-in counts that only one factor has proven.
type SecondFactorRule struct {
	Required    bool
	GracePeriod time.Duration // how long somebody without a factor may go on after they were told
	ProviderAMR bool          // a second factor that was proven elsewhere counts
}

// SessionLimits are how long a session counts. Zero limits nothing beyond what holds for
// every session.
type SessionLimits struct {
	Idle     time.Duration // since its last use
	Absolute time.Duration // since the sign-in
}

// BreaksGlass reports whether somebody who has proven these addresses here may use their
// password where only sign-ins elsewhere count.
func (l *LoginRules) BreaksGlass(proven []string) bool {
	return l.EnforceSSO && slices.ContainsFunc(proven, func(address string) bool {
		_, listed := slices.BinarySearch(l.BreakGlass, address)
		return listed
	})
}

// only is the stricter of two rules, each by each.
func (l LoginRules) only(next LoginRules) LoginRules {
	return LoginRules{
		EnforceSSO: l.EnforceSSO || next.EnforceSSO,
		SSOMaxAge:  shorter(l.SSOMaxAge, next.SSOMaxAge),
		SecondFactor: SecondFactorRule{
			Required:    l.SecondFactor.Required || next.SecondFactor.Required,
			GracePeriod: strictestGrace(l.SecondFactor, next.SecondFactor),
			ProviderAMR: l.SecondFactor.ProviderAMR && next.SecondFactor.ProviderAMR,
		},
		Session:    SessionLimits{Idle: shorter(l.Session.Idle, next.Session.Idle), Absolute: shorter(l.Session.Absolute, next.Session.Absolute)},
		BreakGlass: inBoth(l.BreakGlass, next.BreakGlass),
	}
}

// strictestGrace is that of the rule which requires; of two that do, the shorter.
func strictestGrace(a, b SecondFactorRule) time.Duration {
	switch {
	case !a.Required:
		return b.GracePeriod
	case !b.Required:
		return a.GracePeriod
	}
	return min(a.GracePeriod, b.GracePeriod)
}

// shorter is the shorter of two limits; zero limits nothing.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
