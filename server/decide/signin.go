package decide

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Counted is what was decided about a sign-in in an organization.
type Counted struct {
	SignIn store.SignIn
	Reason Reason // empty: it counts
	// BreakGlass: it counts only because the person may get in where nobody else does.
	BreakGlass bool
	// Tell: it counts for a while. The person needs a second factor, has none, and nobody has
	// told them; whoever lets them go on does, which starts the time that they have.
	Tell bool
	// Until is when it stops counting for want of a second factor; zero: it does not.
	Until time.Time
}

// signIn decides whether a sign-in counts in an organization by the rules alone, without a
// read: its provider counts and was not gone since, it is not too old, and it was by two
// factors where that is required. SecondFactorMissing may still be put off.
func (w *World) signIn(now time.Time, o *model.Organization, u *store.User, in store.SignIn) Counted {
	c := Counted{SignIn: in}
	if !w.Alive(in.ProviderUID, in.AuthTime) {
		c.Reason = ProviderDoesNotCount
		return c
	}
	p, rules := o.Provider(in.ProviderUID), &o.Login
	local := p
	if local == nil { // in an emergency also where passwords are not listed
		local = w.Provider(in.ProviderUID)
	}
	elsewhere := p != nil && p.Local == nil
	switch multi := w.multiFactor(o, elsewhere, in); {
	case local != nil && local.Local != nil && rules.EnforceSSO:
		switch {
		case !rules.BreaksGlass(w.provenHere(u)):
			c.Reason = LocalDoesNotCount
		case !multi:
			c.Reason = SecondFactorMissing
		default:
			c.BreakGlass = true
		}
	case p == nil:
		c.Reason = ProviderDoesNotCount
	case elsewhere && rules.SSOMaxAge > 0 && !now.Before(in.AuthTime.Add(rules.SSOMaxAge)):
		c.Reason = SignInTooOld
	case rules.SecondFactor.Required && !multi:
		c.Reason = SecondFactorMissing
	}
	return c
}

// multiFactor: what a provider elsewhere says of it counts where the organization declares
// so (ASVS 6.8.4), and never for a password.
func (w *World) multiFactor(o *model.Organization, elsewhere bool, in store.SignIn) bool {
	return slices.Contains(oauth.Trusted(in.AMR, elsewhere && o.Login.SecondFactor.ProviderAMR), oauth.AMRMulti)
}

// provenHere are the addresses that a person has proven to the installation itself: what a
// provider says of an address opens nothing in an emergency.
func (w *World) provenHere(u *store.User) (addresses []string) {
	for _, a := range u.Person().Addresses {
		if a.ProviderUID == "" {
			addresses = append(addresses, a.Address)
		}
	}
	return addresses
}

// SignIn decides whether a sign-in counts in an organization now. The error is a fault of the
// store.
func (d *Decider) SignIn(ctx context.Context, w *World, now time.Time, o *model.Organization, of *store.User, in store.SignIn) (Counted, error) {
	c := w.signIn(now, o, of, in)
	if c.Reason != SecondFactorMissing {
		return c, nil
	}
	return d.grace(ctx, now, o, of, c)
}

// grace puts off the second factor for somebody who has none, from when they were first told
// (decision 0022): not from when they became a member, which may be years ago, and not from
// when the rule was written, which nobody knows after a restart. It runs once, also if the
// rule, the factor or the person's membership come and go.
func (d *Decider) grace(ctx context.Context, now time.Time, o *model.Organization, u *store.User, c Counted) (Counted, error) {
	rule, p := &o.Login.SecondFactor, o.Provider(c.SignIn.ProviderUID)
	emergency := o.Login.EnforceSSO && (p == nil || p.Local != nil)
	if !rule.Required || rule.GracePeriod == 0 || u.SecondFactor || emergency {
		return c, nil
	}
	told, err := d.Store.ToldOfSecondFactor(ctx, u.ID, o.ID)
	if err != nil {
		return c, fmt.Errorf("look up when somebody was told of the second factor: %w", err)
	}
	if told.IsZero() {
		c.Reason, c.Tell, c.Until = "", true, now.Add(rule.GracePeriod)
	} else if until := told.Add(rule.GracePeriod); now.Before(until) {
		c.Reason, c.Until = "", until
	}
	return c, nil
}

// Session decides which of the sign-ins of a session counts in an organization now: the
// newest that does. If none does, the reason is that of the one that is easiest to cure.
func (d *Decider) Session(ctx context.Context, w *World, now time.Time, o *model.Organization, u *store.User, s *store.Session) (Counted, error) {
	var best Counted
	for i, in := range s.SignIns() {
		c, err := d.SignIn(ctx, w, now, o, u, in)
		if err != nil {
			return Counted{}, err
		}
		switch {
		case c.Reason != "":
		case unused(o, now, s.LastUsedAt, in.LongestIdle):
			c.Reason = SessionUnused
		case over(o, now, in.AuthTime):
			c.Reason = SessionOver
		}
		if i == 0 || easier(c, best) {
			best = c
		}
	}
	return best, nil
}

// easier reports whether one is better than another: it counts, for good before for a while,
// or takes less to count.
func easier(a, b Counted) bool {
	rank := func(c Counted) int {
		if c.Reason == "" && !c.Until.IsZero() {
			return 1
		}
		return slices.Index(cures, c.Reason) * 2
	}
	return rank(a) < rank(b)
}

// cures are the reasons why a sign-in does not count, by what it takes: nothing, to sign in
// again, to add a factor, to sign in elsewhere.
var cures = []Reason{"", SessionUnused, SessionOver, SignInTooOld, SecondFactorMissing, LocalDoesNotCount, ProviderDoesNotCount}

// Belongs reports whether a sign-in of the session is one that the organization knows, though
// it may not count any more: the person may be told what is missing.
func (w *World) Belongs(now time.Time, o *model.Organization, u *store.User, s *store.Session) bool {
	return slices.ContainsFunc(s.SignIns(), func(in store.SignIn) bool {
		return w.signIn(now, o, u, in).Reason != ProviderDoesNotCount
	})
}

// over reports whether a sign-in has reached the limit of the organization's sessions.
func over(o *model.Organization, now, authTime time.Time) bool {
	limit := o.Login.Session.Absolute
	return limit > 0 && !now.Before(authTime.Add(limit))
}

// unused reports whether nobody used a session for longer than the organization accepts, now
// or at any time since the sign-in: to come back by another page is no way round.
func unused(o *model.Organization, now, last time.Time, longest time.Duration) bool {
	limit := o.Login.Session.Idle
	return limit > 0 && (longest >= limit || !now.Before(last.Add(limit)))
}

// InUse decides whether the session that a grant is bound to is in use as the organization
// wants it, since the sign-in by the provider. Without a rule it reads nothing.
func (d *Decider) InUse(ctx context.Context, now time.Time, o *model.Organization, sessionID, providerUID string) (bool, error) {
	if sessionID == "" || o.Login.Session.Idle == 0 {
		return true, nil
	}
	last, longest, err := d.Store.SessionUse(ctx, sessionID, providerUID)
	if err != nil {
		return false, fmt.Errorf("look up use of session: %w", err)
	}
	return !last.IsZero() && !unused(o, now, last, longest), nil
}
