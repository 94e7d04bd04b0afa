package decide_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// here makes the sign-in of the place one by a password kept here, elsewhere one by a
// provider of the organization.
func (p *place) here() { p.provider.Local = &model.LocalPolicy{} }

func (p *place) proven(amr ...string) { p.grant.AMR = amr }

// Each rule refuses what it is for, at the moment from which on it does, and nothing else.
func TestASignInCountsByTheRulesOfTheOrganization(t *testing.T) {
	required := model.SecondFactorRule{Required: true, GracePeriod: time.Hour}
	for name, c := range map[string]struct {
		change func(*place)
		want   decide.Reason
	}{
		"here":                                 {func(p *place) { p.here() }, ""},
		"here, and only elsewhere counts":      {func(p *place) { p.here(); p.org.Login.EnforceSSO = true }, decide.LocalDoesNotCount},
		"elsewhere, and only elsewhere counts": {func(p *place) { p.org.Login.EnforceSSO = true }, ""},
		"elsewhere, a moment before it is old": {func(p *place) { p.org.Login.SSOMaxAge = time.Minute + 1 }, ""},
		"elsewhere, too old":                   {func(p *place) { p.org.Login.SSOMaxAge = time.Minute }, decide.SignInTooOld},
		"here, as old":                         {func(p *place) { p.here(); p.org.Login.SSOMaxAge = time.Minute }, ""},
		"two are required, by both":            {func(p *place) { p.org.Login.SecondFactor.Required = true; p.proven("pwd", "mfa") }, ""},
		"two are required, by one":             {func(p *place) { p.org.Login.SecondFactor.Required = true; p.proven("pwd") }, decide.SecondFactorMissing},
		"elsewhere says both, trusted": {func(p *place) {
			p.org.Login.SecondFactor = model.SecondFactorRule{Required: true, ProviderAMR: true}
			p.proven("elsewhere:mfa")
		}, ""},
		"elsewhere says both, not trusted": {func(p *place) { p.org.Login.SecondFactor.Required = true; p.proven("elsewhere:mfa") }, decide.SecondFactorMissing},
		"a password marked as said elsewhere": {func(p *place) {
			p.here()
			p.org.Login.SecondFactor = model.SecondFactorRule{Required: true, ProviderAMR: true}
			p.proven("elsewhere:mfa")
		}, decide.SecondFactorMissing},
		"nobody told them":                      {func(p *place) { p.org.Login.SecondFactor = required }, ""},
		"told, within the time":                 {func(p *place) { p.org.Login.SecondFactor = required; p.told = p.now.Add(1 - time.Hour) }, ""},
		"told, and the time is over":            {func(p *place) { p.org.Login.SecondFactor = required; p.told = p.now.Add(-time.Hour) }, decide.SecondFactorMissing},
		"within the time, but they have one":    {func(p *place) { p.org.Login.SecondFactor = required; p.user.SecondFactor = true }, decide.SecondFactorMissing},
		"bound to a session that is over":       {func(p *place) { p.org.Login.Session.Absolute = time.Minute; p.grant.SessionID = "ses" }, decide.SessionOver},
		"bound to none":                         {func(p *place) { p.org.Login.Session.Absolute = time.Minute }, ""},
		"an emergency, by both":                 {func(p *place) { p.here(); p.emergency("ann@example.com"); p.proven("pwd", "mfa") }, ""},
		"an emergency, by one":                  {func(p *place) { p.here(); p.emergency("ann@example.com"); p.proven("pwd") }, decide.SecondFactorMissing},
		"an emergency gives no time to add one": {func(p *place) { p.here(); p.emergency("ann@example.com"); p.org.Login.SecondFactor = required }, decide.SecondFactorMissing},
		"an emergency of another":               {func(p *place) { p.here(); p.emergency("owner@example.com"); p.proven("pwd", "mfa") }, decide.LocalDoesNotCount},
		"an emergency, address not proven here": {func(p *place) {
			p.here()
			p.emergency("boss@example.com")
			p.proven("pwd", "mfa")
			p.user.Identities = []store.Identity{{ProviderUID: "local", Email: "boss@example.com", EmailProvenAt: noon}}
		}, decide.LocalDoesNotCount},
		"no emergency": {func(p *place) {
			p.here()
			p.org.Providers = nil
			p.org.Login.BreakGlass = []string{"ann@example.com"}
			p.proven("pwd", "mfa")
		}, decide.ProviderDoesNotCount},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			c.change(p)
			if v, err := p.decide(t); err != nil || v.Reason != c.want || v.Active() != (c.want == "") {
				t.Errorf("%q, %v; want %q", v.Reason, err, c.want)
			}
		})
	}
}

func (p *place) emergency(address string) {
	p.org.Login.EnforceSSO, p.org.Login.BreakGlass = true, []string{address}
}

// While the store does not answer nothing is allowed.
func TestAFaultOfTheStorePutsNothingOff(t *testing.T) {
	fault := errors.New("fault")
	p := newPlace(t)
	p.org.Login.SecondFactor = model.SecondFactorRule{Required: true, GracePeriod: time.Hour}
	p.toldFault = fault
	if v, err := p.decide(t); !errors.Is(err, fault) || v.Active() {
		t.Errorf("%+v, %v", v, err)
	}
	d := decide.Decider{Store: &rows{useFault: fault}}
	limited := &model.Organization{Login: model.LoginRules{Session: model.SessionLimits{Idle: time.Hour}}}
	if in, err := d.InUse(t.Context(), noon, limited, "ses", "local"); !errors.Is(err, fault) || in {
		t.Errorf("%v, %v", in, err)
	}
	// Without a rule nothing is read.
	if in, err := d.InUse(t.Context(), noon, &model.Organization{}, "ses", "local"); err != nil || !in {
		t.Errorf("%v, %v", in, err)
	}
}

func TestASessionIsInUseWhileNobodyLeavesItForTooLong(t *testing.T) {
	limited := &model.Organization{Login: model.LoginRules{Session: model.SessionLimits{Idle: time.Hour}}}
	for name, c := range map[string]struct {
		used time.Time
		idle time.Duration
		want bool
	}{
		"a moment within": {noon.Add(1 - time.Hour), time.Hour - 1, true},
		"now unused":      {noon.Add(-time.Hour), 0, false},
		"unused before":   {noon, time.Hour, false},
		"it has ended":    {time.Time{}, 0, false},
	} {
		d := decide.Decider{Store: &rows{used: c.used, idle: c.idle}}
		if got, err := d.InUse(t.Context(), noon, limited, "ses", "local"); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Of several sign-ins the one is taken that counts for good; if none counts, what is easiest
// to cure is said.
func TestOfASessionTheBestSignInIsTaken(t *testing.T) {
	p := newPlace(t)
	p.here()
	sso := &model.Provider{UID: "sso"}
	p.org.Providers = append(p.org.Providers, sso)
	old, fresh := noon.Add(-time.Hour), noon
	for name, c := range map[string]struct {
		rules  model.LoginRules
		want   string
		reason decide.Reason
	}{
		"no rule: the newest":                {model.LoginRules{}, "local", ""},
		"the newest does not count":          {model.LoginRules{EnforceSSO: true}, "sso", ""},
		"none counts: to sign in again":      {model.LoginRules{EnforceSSO: true, SSOMaxAge: time.Hour}, "sso", decide.SignInTooOld},
		"the newest counts only for a while": {model.LoginRules{SecondFactor: model.SecondFactorRule{Required: true, GracePeriod: time.Hour}}, "sso", ""},
		"all are over":                       {model.LoginRules{Session: model.SessionLimits{Absolute: time.Minute}}, "local", decide.SessionOver},
	} {
		p.org.Login = c.rules
		w := &decide.World{Snapshot: model.NewSnapshot("d", []*model.Organization{&p.org}, []*model.Provider{p.provider}, nil)}
		d := decide.Decider{Store: &p.rows}
		s := &store.Session{ProviderUID: "local", AuthTime: fresh, AMR: []string{"pwd"}, LastUsedAt: noon, Before: []store.SignIn{{ProviderUID: "sso", AuthTime: old, AMR: []string{"mfa"}}}}
		got, err := d.Session(t.Context(), w, noon.Add(time.Minute), &p.org, p.user, s)
		if err != nil || got.SignIn.ProviderUID != c.want || got.Reason != c.reason {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
