package plan_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/internal/plan"
	"github.com/gatehouse-dev/gatehouse/server/authorization"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// The words of small worlds.
var (
	scopeWords = []string{"org:read", "org:write", "project:read", "project:write", "billing:read", "billing:admin"}
	bounds     = []string{"", "", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"}
	people     = []string{"ann@acme.com", "bob@acme.com", "eve@acme.com"}
	redirects  = []string{"https://one.example/cb", "https://two.example/cb"}
	audiences  = []string{"https://api.example", "urn:example:api"}
	lengths    = []string{"5m", "20m", "1h", "3h"}
	moments    = []time.Time{year(2026), year(2027), year(2028)}
)

const (
	somebody = "probe@acme.com"                  // holds every scope, always
	grouped  = "platform of system/sso"          // holds what the group holds
	invited  = "somebody who was let in by name" // holds what members hold
	issuer   = "https://auth.example"
)

func year(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }

// What the plan says and what the server's decisions then are agree:
//   - whatever the server allows next and not now, the plan marks, by the name of the
//     person, the application or the organization that it is about;
//   - what the plan says that a person or an application gains or loses, the server
//     allows, or refuses, at some moment;
//   - where the plan is silent, nothing is decided otherwise.
func TestPlanAndServerAgree(t *testing.T) {
	j := newJudge(t)
	gained := 0
	rapid.Check(t, func(t *rapid.T) {
		before := drawWorld(t)
		after := edited(t, before)
		old, next := plan.NewState(before.input()), plan.NewState(after.input())
		p := plan.Compare(old, next)
		now, then := j.observe(t, old.Result.Snapshot), j.observe(t, next.Result.Snapshot)
		for o := range then {
			if !now[o] {
				gained++
				if !named(p, o) {
					t.Errorf("the server allows %+v now, of which the plan does not speak:\n%s", o, text(p))
				}
			}
		}
		if len(p.Changes) == 0 {
			for o := range now {
				if !then[o] {
					t.Errorf("the plan is silent, and the server no longer allows %+v", o)
				}
			}
		}
		for _, c := range p.Changes {
			for _, i := range c.Gains {
				confirm(t, c, i, now, then)
			}
			for _, i := range c.Loses {
				confirm(t, c, i, then, now)
			}
		}
	})
	if gained < 100 {
		t.Errorf("only %d things were gained: the worlds are too small", gained)
	}
}

func text(p plan.Plan) string {
	var b strings.Builder
	_ = p.Text(&b)
	return b.String()
}

// observation is something that the server allows at a moment.
type observation struct {
	at           time.Time
	kind         string // person, machine, code, origin
	organization string // slug
	application  string // namespace/name
	person, what string
}

// named reports whether the plan marks a widening by a name in the observation.
func named(p plan.Plan, o observation) bool {
	return slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		if c.Effect != plan.Widened {
			return false
		}
		switch s := c.Subject; s.Kind {
		case plan.KindPerson:
			return s.Name == o.person && c.Organization == o.organization
		case plan.KindGroup:
			return o.person == grouped && s.Name == grouped && c.Organization == o.organization
		case "Role":
			return o.person == invited && c.Organization == o.organization
		case "ApiApplication":
			return s.Namespace+"/"+s.Name == o.application || o.kind == "origin" && (c.Field == plan.FieldOrigins || c.Field == plan.FieldExpiresAt)
		case "Organization":
			return c.Organization == o.organization
		case "AuthProvider":
			return true
		}
		return false
	})
}

// confirm looks for the moment at which a scope is allowed on one side only. The person
// is tried with an application that may ask for everything, and the application with a
// person who may do everything.
func confirm(t *rapid.T, c plan.Change, i plan.Item, without, with map[observation]bool) {
	var like observation
	switch {
	case c.Subject.Kind == plan.KindPerson && c.Field == plan.FieldScopes:
		like = observation{kind: "person", application: c.Organization + "/probe", person: c.Subject.Name}
	case c.Effect == plan.Changed: // it is stopped
		return
	case c.Subject.Kind == "ApiApplication" && c.Field == plan.FieldScopes:
		like = observation{kind: "person", application: c.Subject.Namespace + "/" + c.Subject.Name, person: somebody}
	case c.Subject.Kind == "ApiApplication" && c.Field == plan.FieldOwnScopes:
		like = observation{kind: "machine", application: c.Subject.Namespace + "/" + c.Subject.Name}
	case c.Field == plan.FieldAbroad && !oauth.ProtocolScopes.Has(i.Name):
		like = observation{kind: "person", application: c.Subject.Namespace + "/" + c.Subject.Name, person: somebody}
	default:
		return
	}
	like.organization, like.what = c.Organization, i.Name
	for _, at := range moments {
		if like.at = at; with[like] && !without[like] {
			return
		}
	}
	t.Errorf("the plan speaks of %s %s, %s %s, and the server decides no otherwise", c.Subject.Kind, c.Subject.Name, c.Field, i.Name)
}

// judge asks the server's own decisions.
type judge struct{ decider decide.Decider }

type rows struct{}

func (rows) Grant(context.Context, [16]byte) (store.Grant, error) {
	return store.Grant{}, store.ErrNotFound
}
func (rows) ToldOfSecondFactor(context.Context, string, string) (time.Time, error) {
	return year(2020), nil
}
func (rows) SessionUse(context.Context, string, string) (time.Time, time.Duration, error) {
	return year(2020), 0, nil
}
func (rows) Revoked(context.Context, [12]byte) (bool, error) { return false, nil }
func (rows) User(_ context.Context, id string) (store.User, error) {
	switch id {
	case grouped:
		return store.User{ID: id, Identities: []store.Identity{{ProviderUID: "uid-sso", Subject: "1", Groups: []string{"platform"}, GroupsAt: year(2100)}}}, nil
	case invited:
		u := store.User{ID: id}
		for _, o := range organizationNames {
			u.Memberships = append(u.Memberships, model.Membership{OrganizationID: "uid-" + o + "-" + o, Source: model.MemberByInvitation})
		}
		return u, nil
	}
	return store.User{ID: id, Email: id, Login: id, EmailProvenBy: "operator"}, nil
}

func newJudge(t *testing.T) judge {
	t.Helper()
	keys, err := keyringtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return judge{decide.Decider{Store: rows{}, Tokens: tokens.NewMinter(issuer, keys)}}
}

// observe is everything that is allowed of what these worlds can have.
func (j judge) observe(t *rapid.T, s *model.Snapshot) map[observation]bool {
	seen, w := map[observation]bool{}, &decide.World{Snapshot: s}
	for _, at := range moments {
		if s.AllowsOrigin("https://one.example", at) {
			seen[observation{at: at, kind: "origin"}] = true // a preflight names no application
		}
	}
	for home := range s.Organizations() {
		for a := range home.Applications() {
			for _, at := range moments {
				o := observation{at: at, application: a.Namespace + "/" + a.Name}
				for place := range s.Organizations() {
					o.organization = place.Slug
					j.persons(t, w, place, a, o, seen)
				}
				o.organization = home.Slug
				if a.Name == "probe" {
					j.signIns(t, w, home, a, o, seen)
				}
				j.machine(t, w, home, a, o, seen)
				j.codes(w, a, o, seen)
				properties(home, a, o, seen)
			}
		}
	}
	return seen
}

func (j judge) persons(t *rapid.T, w *decide.World, o *model.Organization, a *model.Application, like observation, seen map[observation]bool) {
	like.kind = "person"
	for _, who := range append([]string{somebody, grouped, invited}, people...) {
		standing, err := j.decider.Approval(t.Context(), w, like.at, decide.Approved{
			OrganizationID: o.ID, ApplicationUID: a.UID, UserID: who, ProviderUID: "uid-sso", AMR: []string{"mfa"}, AuthTime: like.at, At: year(2020),
		})
		if err != nil {
			t.Fatal(err)
		}
		like.person, like.what = who, "membership"
		if standing.Active() {
			seen[like] = true
		}
		for _, scope := range standing.Limit(oauth.NewScopeSet(scopeWords...)) {
			like.what = scope
			seen[like] = true
		}
	}
}

// signIns are the ways to sign in that count for who may do everything.
func (j judge) signIns(t *rapid.T, w *decide.World, o *model.Organization, a *model.Application, like observation, seen map[observation]bool) {
	like.kind, like.person = "sign-in", somebody
	for _, provider := range []string{"uid-local", "uid-sso"} {
		for _, amr := range []string{"pwd", "elsewhere:mfa", "mfa"} {
			for _, ago := range []time.Duration{0, 10 * time.Minute, 2 * time.Hour, 200 * time.Hour} {
				standing, err := j.decider.Approval(t.Context(), w, like.at, decide.Approved{
					OrganizationID: o.ID, ApplicationUID: a.UID, UserID: somebody, ProviderUID: provider, AMR: []string{amr},
					AuthTime: like.at.Add(-ago), SessionID: "ses", At: year(2020),
				})
				if err != nil {
					t.Fatal(err)
				}
				if like.what = fmt.Sprint(provider, " ", amr, " ", ago); standing.Active() {
					seen[like] = true
				}
			}
		}
	}
}

func (j judge) machine(t *rapid.T, w *decide.World, o *model.Organization, a *model.Application, like observation, seen map[observation]bool) {
	like.kind = "machine"
	token := j.decider.Tokens.MintAccess(&tokens.Access{
		ApplicationUID: a.UID, OrganizationID: o.ID, Serial: tokens.NewSerial(), Scopes: oauth.NewScopeSet(scopeWords...),
		IssuedAt: year(2020), ExpiresAt: year(2030),
	})
	v, err := j.decider.Token(t.Context(), w, like.at, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range v.Scopes {
		like.what = scope
		seen[like] = true
	}
}

// codes are the authorization requests that are answered: where to, for what, how proven.
func (j judge) codes(w *decide.World, a *model.Application, like observation, seen map[observation]bool) {
	for _, redirect := range redirects {
		for _, resource := range append([]string{""}, audiences...) {
			for _, proof := range []string{"code_challenge", "nonce"} {
				query := url.Values{
					"client_id": {a.ClientID}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid org:read"}, proof: {strings.Repeat("a", 43)},
				}
				if proof == "code_challenge" {
					query.Set("code_challenge_method", "S256")
				}
				if resource != "" {
					query.Set("resource", resource)
				}
				if _, err := authorization.Read(issuer, w, like.at, query); err == nil {
					like.kind, like.what = "code", strings.Join([]string{redirect, resource, proof}, " ")
					seen[like] = true
				}
			}
		}
	}
}

// properties are what is served of an application besides: how long its tokens live, what
// they are, and how often people are asked. More of it is in the set for who has more.
func properties(home *model.Organization, a *model.Application, like observation, seen map[observation]bool) {
	if home.Suspended || !a.Served(like.at) {
		return
	}
	like.kind = "property"
	note := func(is bool, what string) {
		if like.what = what; is {
			seen[like] = true
		}
	}
	life := min(a.AccessTokenTTL, home.Tokens.AccessToken)
	if a.JWTAccessTokens {
		life = min(life, home.Tokens.JWTAccessToken)
	}
	for _, d := range lengths {
		long, _ := time.ParseDuration(d)
		note(life >= long, "access tokens of "+d)
		note(home.Tokens.RefreshAbsolute >= long, "refresh tokens of "+d)
		note(a.Consent.Mode == model.ConsentSkip || a.Consent.Mode == model.ConsentRemember && a.Consent.MaxAge >= long, "not asked for "+d)
	}
	note(a.Consent.Mode == model.ConsentSkip, "never asked")
	note(a.JWTAccessTokens, "JWTs")
	note(a.IntrospectsOrganization, "introspects all")
	for _, p := range home.Providers {
		note(true, fmt.Sprint("sign-in by ", p.Name))
	}
}

// small is a world: a value for each name, nil where there is none.
type small struct {
	organizations map[string]*v1alpha1.OrganizationSpec
	applications  map[string]*v1alpha1.ApiApplicationSpec
	roles         map[string]*v1alpha1.RoleSpec
	namespaces    map[string]map[string]string
}

var (
	organizationNames = []string{"acme", "globex"}
	applicationNames  = []string{"acme/web", "acme/ci", "globex/web", "shop/web"}
	roleNames         = []string{"acme/one", "acme/two", "globex/one", "shop/one"}
)

func drawWorld(t *rapid.T) *small {
	s := &small{map[string]*v1alpha1.OrganizationSpec{}, map[string]*v1alpha1.ApiApplicationSpec{}, map[string]*v1alpha1.RoleSpec{}, nil}
	for _, n := range organizationNames {
		s.organizations[n] = drawOrganization(t, n)
	}
	for _, n := range applicationNames {
		s.applications[n] = drawApplication(t, n)
	}
	for _, n := range roleNames {
		s.roles[n] = drawRole(t, n)
	}
	return s
}

// edited draws some of the objects again.
func edited(t *rapid.T, s *small) *small {
	next := drawWorld(t)
	for _, n := range organizationNames {
		if rapid.IntRange(0, 3).Draw(t, "keep organization") > 0 {
			next.organizations[n] = s.organizations[n]
		}
	}
	for _, n := range applicationNames {
		if rapid.IntRange(0, 3).Draw(t, "keep application") > 0 {
			next.applications[n] = s.applications[n]
		}
	}
	for _, n := range roleNames {
		if rapid.IntRange(0, 3).Draw(t, "keep role") > 0 {
			next.roles[n] = s.roles[n]
		}
	}
	return next
}

func seldom(t *rapid.T, label string) bool { return rapid.IntRange(0, 5).Draw(t, label) == 0 }

func words[S ~string](t *rapid.T, from []string, most int, label string) []S {
	var out []S
	for _, w := range rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, most, rapid.ID[string]).Draw(t, label) {
		out = append(out, S(w))
	}
	return out
}

func drawOrganization(t *rapid.T, name string) *v1alpha1.OrganizationSpec {
	if name != "acme" && seldom(t, "no organization") {
		return nil
	}
	o := &v1alpha1.OrganizationSpec{Slug: name, Suspend: seldom(t, "suspend")}
	o.Scopes = &v1alpha1.ScopeCatalogue{Custom: []v1alpha1.CustomScope{
		{Name: "billing:read", Description: "Read"},
		{Name: "billing:admin", Description: "Change", Implies: words[v1alpha1.ScopeName](t, []string{"billing:read", "org:read"}, 2, "implies")},
	}}
	o.ExternalApplications = &v1alpha1.ExternalApplications{From: rapid.SampledFrom([]string{"None", "All"}).Draw(t, "external")}
	if seldom(t, "list") {
		o.ExternalApplications = &v1alpha1.ExternalApplications{From: "List", ClientIDs: []v1alpha1.ForeignClientID{"acme.acme.web", "globex.globex.web"}}
	}
	o.Tokens = &v1alpha1.TokenCeilings{
		AccessTokenTTL: v1alpha1.Duration(rapid.SampledFrom(lengths).Draw(t, "ceiling")), JWTAccessTokenTTL: "20m",
		RefreshTokenAbsoluteTTL: v1alpha1.Duration(rapid.SampledFrom(lengths).Draw(t, "refresh ceiling")),
	}
	o.Login = drawLogin(t)
	admit := &v1alpha1.NamespaceAdmission{From: rapid.SampledFrom([]string{"Same", "All"}).Draw(t, "from")}
	o.AllowedNamespaces = &v1alpha1.AllowedNamespaces{ApiApplications: admit, Roles: admit}
	return o
}

func drawLogin(t *rapid.T) *v1alpha1.Login {
	l := &v1alpha1.Login{EnforceSSO: rapid.Bool().Draw(t, "enforce SSO"), SSOMaxAge: v1alpha1.Duration(rapid.SampledFrom([]string{"", "5m", "1h"}).Draw(t, "max age of SSO"))}
	if rapid.Bool().Draw(t, "second factor") {
		l.SecondFactor = &v1alpha1.SecondFactorRule{
			Mode: rapid.SampledFrom([]string{"Optional", "Required"}).Draw(t, "mode"), GracePeriod: "1h", AcceptProviderAMR: rapid.Bool().Draw(t, "accept"),
		}
	}
	if seldom(t, "session") {
		l.Session = &v1alpha1.SessionLimits{AbsoluteLifetime: v1alpha1.Duration(rapid.SampledFrom([]string{"5m", "1h"}).Draw(t, "lifetime"))}
	}
	if rapid.Bool().Draw(t, "break glass") {
		l.BreakGlass = []v1alpha1.BreakGlass{{User: somebody}}
	}
	return l
}

func drawApplication(t *rapid.T, name string) *v1alpha1.ApiApplicationSpec {
	if seldom(t, "no application") {
		return nil
	}
	namespace, short, _ := strings.Cut(name, "/")
	a := &v1alpha1.ApiApplicationSpec{
		OrganizationRef: owner(namespace), Type: "Web", Suspend: seldom(t, "suspend"),
		Scopes:       append(words[v1alpha1.ApplicationScope](t, scopeWords, 4, "scopes"), "openid", "org:read"),
		RedirectURIs: append(words[v1alpha1.RedirectURI](t, redirects, 2, "redirects"), "https://always.example/cb"),
		Credentials:  &v1alpha1.Credentials{Source: "FromSecret", FromSecret: &v1alpha1.SecretKeyReference{Name: "s", Key: "k"}},
		ExpiresAt:    v1alpha1.Timestamp(rapid.SampledFrom(bounds).Draw(t, "expires")),
		Resources:    words[v1alpha1.Audience](t, audiences, 2, "resources"),
		Audiences:    words[v1alpha1.Audience](t, audiences, 1, "audiences"),
		Security:     &v1alpha1.ApplicationSecurity{PKCE: rapid.SampledFrom([]string{"Required", "Optional"}).Draw(t, "pkce")},
	}
	a.OrganizationAccess = rapid.SampledFrom([]string{"Owner", "Selected"}).Draw(t, "access")
	a.Introspection = rapid.SampledFrom([]string{"Own", "Organization"}).Draw(t, "introspection")
	a.Tokens = &v1alpha1.ApplicationTokens{Format: rapid.SampledFrom([]string{"Opaque", "JWT"}).Draw(t, "format")}
	if rapid.Bool().Draw(t, "own life") {
		a.Tokens.AccessTokenTTL = v1alpha1.Duration(rapid.SampledFrom(lengths[:2]).Draw(t, "life"))
	}
	a.Consent = &v1alpha1.Consent{Mode: rapid.SampledFrom([]string{"Explicit", "Remember", "Skip"}).Draw(t, "consent")}
	if a.Consent.Mode == "Remember" {
		a.Consent.MaxAge = v1alpha1.Duration(rapid.SampledFrom(lengths).Draw(t, "max age"))
	}
	if rapid.Bool().Draw(t, "origin") {
		a.AllowedOrigins = []v1alpha1.WebOrigin{"https://one.example"}
	}
	if short == "ci" {
		a.Type, a.RedirectURIs, a.Security, a.OrganizationAccess = "Machine", nil, nil, "Owner"
	}
	return a
}

// owner is the organization of what is in a namespace: shop has none of its own.
func owner(namespace string) v1alpha1.ObjectReference {
	if namespace == "shop" {
		namespace = "acme"
	}
	return v1alpha1.ObjectReference{Namespace: namespace, Name: namespace}
}

func drawRole(t *rapid.T, name string) *v1alpha1.RoleSpec {
	if seldom(t, "no role") {
		return nil
	}
	namespace, _, _ := strings.Cut(name, "/")
	r := &v1alpha1.RoleSpec{OrganizationRef: owner(namespace)}
	if scopes := words[v1alpha1.ScopeName](t, scopeWords, 3, "rule"); len(scopes) > 0 {
		r.Rules = []v1alpha1.RoleRule{{Scopes: scopes}}
	}
	if name != "acme/one" && rapid.Bool().Draw(t, "inherits") {
		r.Inherits = []v1alpha1.ObjectReference{{Namespace: owner(namespace).Namespace, Name: "one"}}
	}
	for _, who := range words[string](t, people, 3, "subjects") {
		r.Subjects = append(r.Subjects, v1alpha1.Subject{Kind: "User", Name: who, NotAfter: v1alpha1.Timestamp(rapid.SampledFrom(bounds).Draw(t, "not after"))})
	}
	r.Default = seldom(t, "default")
	if seldom(t, "group") {
		r.Subjects = append(r.Subjects, v1alpha1.Subject{Kind: "Group", Name: "platform", Provider: &v1alpha1.ObjectReference{Namespace: "system", Name: "sso"}})
	}
	if rapid.Bool().Draw(t, "machine") {
		r.Subjects = append(r.Subjects, v1alpha1.Subject{
			Kind: "ApiApplication", Namespace: "acme", Name: "ci", NotAfter: v1alpha1.Timestamp(rapid.SampledFrom(bounds).Draw(t, "not after")),
		})
	}
	return r
}

// input has, besides what was drawn, a person and an application in each organization
// that may do everything.
func (s *small) input() compile.Input {
	in := compile.Input{SystemNamespace: "system", AnySlug: true, Issuer: issuer, DigestKey: model.NewSensitive("key")}
	in.Providers = []*v1alpha1.AuthProvider{{ObjectMeta: meta("system", "local"), Spec: v1alpha1.AuthProviderSpec{Type: "Local"}}}
	in.Providers[0].UID = "uid-local"
	in.Providers = append(in.Providers, &v1alpha1.AuthProvider{ObjectMeta: meta("system", "sso"), Spec: v1alpha1.AuthProviderSpec{
		Type: "OIDC", OIDC: &v1alpha1.OIDCProvider{Issuer: "https://sso.example", ClientID: "gatehouse"},
	}})
	in.Providers[1].UID = "uid-sso"
	for name, spec := range s.organizations {
		in.Namespaces = append(in.Namespaces, compile.Namespace{Name: name})
		if spec == nil {
			continue
		}
		in.Organizations = append(in.Organizations, &v1alpha1.Organization{ObjectMeta: meta(name, name), Spec: *spec})
		all := v1alpha1.ApiApplicationSpec{OrganizationRef: owner(name), Type: "Device"}
		rule := v1alpha1.RoleRule{}
		for _, w := range scopeWords {
			all.Scopes, rule.Scopes = append(all.Scopes, v1alpha1.ApplicationScope(w)), append(rule.Scopes, v1alpha1.ScopeName(w))
		}
		in.Applications = append(in.Applications, &v1alpha1.ApiApplication{ObjectMeta: meta(name, "probe"), Spec: all})
		in.Roles = append(in.Roles, &v1alpha1.Role{ObjectMeta: meta(name, "probe"), Spec: v1alpha1.RoleSpec{
			OrganizationRef: owner(name), Rules: []v1alpha1.RoleRule{rule}, Subjects: []v1alpha1.Subject{{Kind: "User", Name: somebody}},
		}})
	}
	in.Namespaces = append(in.Namespaces, compile.Namespace{Name: "shop"})
	for name, spec := range s.applications {
		if namespace, short, _ := strings.Cut(name, "/"); spec != nil {
			in.Applications = append(in.Applications, &v1alpha1.ApiApplication{ObjectMeta: meta(namespace, short), Spec: *spec})
		}
	}
	for name, spec := range s.roles {
		if namespace, short, _ := strings.Cut(name, "/"); spec != nil {
			in.Roles = append(in.Roles, &v1alpha1.Role{ObjectMeta: meta(namespace, short), Spec: *spec})
		}
	}
	return in.AssumingSecrets()
}

func meta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(fmt.Sprintf("uid-%s-%s", namespace, name)), Generation: 1}
}
