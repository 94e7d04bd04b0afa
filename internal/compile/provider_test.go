package compile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func nameOfProvider(in compile.Input, i int) string {
	return fmt.Sprintf("AuthProvider %s/%s", in.Providers[i].Namespace, in.Providers[i].Name)
}

func TestEveryMistakeInAProviderNamesTheFieldAndTheCure(t *testing.T) {
	for name, m := range providerMistakes {
		t.Run(name, func(t *testing.T) {
			in := goodWorld()
			m.spoil(spec(&in, m.of))
			r := reportOn(t, in, nameOfProvider(in, m.of))
			if !r.NotServed || len(r.Findings) == 0 || r.Findings[0].Field != m.field || !strings.Contains(r.Findings[0].Message, m.says) {
				t.Errorf("%+v\nwant %q at %s", r.Findings, m.says, m.field)
			}
			if text := fmt.Sprintf("%+v", r); strings.Contains(text, knownSecret) || strings.Contains(text, "BEGIN PRIVATE") {
				t.Errorf("a secret is told: %s", text)
			}
			if compile.Compile(in).Snapshot.Provider(string(in.Providers[m.of].UID)) != nil {
				t.Error("it is served")
			}
		})
	}
}

func TestProvidersAreServedAsDeclared(t *testing.T) {
	s := compile.Compile(goodWorld()).Snapshot
	acme, globex := s.OrganizationBySlug("acme"), s.OrganizationBySlug("globex")
	names := func(list []*model.Provider) (all []string) {
		for _, p := range list {
			all = append(all, p.Name)
		}
		return all
	}
	if diff := cmp.Diff([]string{"local", "okta", "saml"}, names(acme.Providers)); diff != "" {
		t.Error("listed:", diff)
	}
	if diff := cmp.Diff([]string{"hub", "ldap", "local", "oauth", "saml"}, names(globex.Providers)); diff != "" {
		t.Error("by default:", diff)
	}
	p := s.Provider("acme/okta")
	if p == nil || p.Installation() || p.OrganizationID != acme.ID || s.Provider("shop/intruder") != nil || s.Provider("gatehouse-system/hub") == nil {
		t.Fatalf("okta: %+v", p)
	}
	if string(p.OIDC.ClientSecret.Reveal()) != knownSecret || !slices.Equal(p.OIDC.Scopes, []string{"openid", "email", "groups"}) || p.GroupsMaxAge != time.Hour {
		t.Errorf("%+v %+v", p, p.OIDC)
	}
	if hub := s.Provider("gatehouse-system/hub"); hub.GitHub.BaseURL != "https://github.example.com" || string(hub.Secret().Reveal()) != knownSecret || hub.GroupsMaxAge != 24*time.Hour ||
		hub.Provisioning != (model.Provisioning{Mode: "JIT", LinkBy: "Subject"}) || hub.Mapping == nil {
		t.Errorf("%+v", hub)
	}
}

func TestDefaultsOfProviders(t *testing.T) {
	in := goodWorld()
	*spec(&in, okta) = v1alpha1.AuthProviderSpec{OrganizationRef: spec(&in, okta).OrganizationRef, Type: "OIDC", OIDC: &v1alpha1.OIDCProvider{Issuer: "https://idp.example", ClientID: "a"}}
	spec(&in, hub).GitHub.BaseURL = ""
	spec(&in, ldapOne).LDAP.UserSearch, spec(&in, ldapOne).LDAP.GroupSearch = v1alpha1.LDAPUserSearch{BaseDN: "ou=people"}, &v1alpha1.LDAPGroupSearch{BaseDN: "ou=groups"}
	s := compile.Compile(in).Snapshot
	if o := s.Provider("acme/okta").OIDC; !o.PKCE || !o.ClientSecret.IsZero() || !slices.Equal(o.Scopes, []string{"openid", "profile", "email"}) {
		t.Errorf("%+v", o)
	}
	if g := s.Provider("gatehouse-system/hub").GitHub; g.BaseURL != "https://github.com" {
		t.Errorf("%+v", g)
	}
	l := s.Provider("gatehouse-system/ldap").LDAP
	if l.UserSearch != (model.LDAPSearch{BaseDN: "ou=people", Filter: "(uid={username})", Attribute: "entryUUID"}) ||
		*l.GroupSearch != (model.LDAPSearch{BaseDN: "ou=groups", Filter: "(member={dn})", Attribute: "cn"}) {
		t.Errorf("%+v %+v", l.UserSearch, l.GroupSearch)
	}
}

func TestPeopleMayBindAsThemselves(t *testing.T) {
	in := goodWorld()
	l := spec(&in, ldapOne).LDAP
	l.BindDN, l.BindPasswordRef, l.UserSearch = "", nil, v1alpha1.LDAPUserSearch{BaseDN: "uid={username},ou=people,dc=example"}
	if r := reportOn(t, in, "AuthProvider gatehouse-system/ldap"); r.NotServed {
		t.Error(r.Findings)
	}
}

// Nothing of a provider is believed that came in the clear, also to try things out.
func TestAProviderIsAskedOverTLSAlone(t *testing.T) {
	for _, issuer := range []v1alpha1.UpstreamURL{"http://localhost:5556/dex", "http://idp.example.com"} {
		in := goodWorld()
		in.Dev = true
		spec(&in, okta).OIDC.Issuer = issuer
		if r := reportOn(t, in, "AuthProvider acme/okta"); !r.NotServed {
			t.Errorf("%s is served", issuer)
		}
	}
}

// The status tells what to enter at the provider before its secret is there: it is often
// given in exchange.
func TestCallbacksAreKnownWithoutAskingAnybody(t *testing.T) {
	in := goodWorld()
	in.Secrets = nil
	status := func(of string) v1alpha1.AuthProviderStatus {
		return reportOn(t, in, of).ProviderStatus(published, compile.Probe{}, noon)
	}
	if s := status("AuthProvider acme/okta"); s.CallbackURL != "https://auth.example.com/login/callback/acme%2Fokta/" || s.Issuer != "https://acme.okta.com" || s.SAMLACSURL != "" {
		t.Errorf("%+v", s)
	}
	if s := status("AuthProvider gatehouse-system/saml"); s.CallbackURL != "" || s.SAMLACSURL != "https://auth.example.com/login/callback/gatehouse-system%2Fsaml/" ||
		s.SAMLMetadataURL != "https://auth.example.com/login/metadata/gatehouse-system%2Fsaml/" || s.Issuer != "https://idp.example.com/saml" {
		t.Errorf("%+v", s)
	}
	for _, of := range []string{"AuthProvider gatehouse-system/local", "AuthProvider gatehouse-system/ldap", "AuthProvider shop/intruder"} {
		if s := status(of); s.CallbackURL != "" || s.SAMLACSURL != "" {
			t.Errorf("%s: %+v", of, s)
		}
	}
	in.Issuer = ""
	if s := status("AuthProvider acme/okta"); s.CallbackURL != "" {
		t.Errorf("a callback of nowhere: %+v", s)
	}
}

func TestWhatAProbeSawIsToldAndReadyNeverDependsOnIt(t *testing.T) {
	r := reportOn(t, goodWorld(), "AuthProvider gatehouse-system/saml")
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	s := r.ProviderStatus(published, compile.Probe{Reachable: new(false), Reason: "Whatever", Message: strings.Repeat("x", 5000), Issuer: "https://told.example", CertificateNotAfter: until}, noon)
	last := s.Conditions[len(s.Conditions)-1]
	if last.Type != v1alpha1.Reachable || last.Status != "False" || last.Reason != "Unreachable" || len(last.Message) > 1100 || last.ObservedGeneration != 1 {
		t.Errorf("%+v", last)
	}
	if s.Issuer != "https://told.example" || s.CertificateNotAfter != "2027-01-02T03:04:05Z" || s.Conditions[3].Type != "Ready" || s.Conditions[3].Status != "True" {
		t.Errorf("%+v", s)
	}
	if s = r.ProviderStatus(published, compile.Probe{}, noon); len(s.Conditions) != 4 || s.CertificateNotAfter != "" {
		t.Errorf("nobody was asked: %+v", s)
	}
	in := goodWorld()
	spec(&in, samlOne).SAML.Metadata = "<a"
	if s = reportOn(t, in, "AuthProvider gatehouse-system/saml").ProviderStatus(published, compile.Probe{Reachable: new(true), Issuer: "x"}, noon); s.Issuer != "" || len(s.Conditions) != 5 {
		t.Errorf("what is not served is not asked, so what was seen before says nothing: %+v", s)
	}
}

// A tenant that writes itself into another's Organization, names another's provider, or
// claims to be of the installation gets one answer whether or not there is such a thing.
func TestATenantsProviderStaysInItsOrganization(t *testing.T) {
	in := goodWorld()
	in.Organizations[1].Spec.Login = &v1alpha1.Login{AuthProviders: []v1alpha1.ObjectReference{{Name: "okta", Namespace: "acme"}, {Name: "nothing", Namespace: "acme"}, {Name: "intruder", Namespace: "shop"}}}
	result := compile.Compile(in)
	if globex := result.Snapshot.OrganizationBySlug("globex"); len(globex.Providers) != 0 {
		t.Errorf("globex takes sign-ins by %+v", globex.Providers)
	}
	r := reportOn(t, in, "Organization globex/globex")
	for i, name := range []string{"acme/okta", "acme/nothing", "shop/intruder"} {
		want := fmt.Sprintf("spec.login.authProviders[%d]: no AuthProvider %s of this Organization or of the installation is served; create it, or correct name and namespace", i, name)
		if r.Findings[i].Message != want || r.Findings[i].Reason != v1alpha1.ReasonRefNotFound {
			t.Errorf("%+v, want %s", r.Findings[i], want)
		}
	}
	for _, claim := range []string{"shop", "acme"} {
		in := goodWorld()
		in.Providers[okta].Namespace = claim
		spec(&in, okta).OrganizationRef = nil
		if r := reportOn(t, in, "AuthProvider "+claim+"/okta"); !r.NotServed || r.Findings[0].Reason != v1alpha1.ReasonNotAdmitted {
			t.Errorf("a provider of the installation in %s: %+v", claim, r)
		}
	}
	if r := reportOn(t, goodWorld(), "AuthProvider shop/intruder"); r.Findings[0].Message != "spec.organizationRef: no Organization acme/acme admits this namespace" {
		t.Errorf("%+v", r.Findings)
	}
	in = goodWorld()
	spec(&in, 6).OrganizationRef.Name = "nothing"
	if r := reportOn(t, in, "AuthProvider shop/intruder"); r.Findings[0].Message != "spec.organizationRef: no Organization acme/nothing admits this namespace" {
		t.Errorf("%+v", r.Findings)
	}
}

func TestAnOrganizationAdmitsNamespacesOfProviders(t *testing.T) {
	in := goodWorld()
	in.Organizations[0].Spec.AllowedNamespaces.AuthProviders = &v1alpha1.NamespaceAdmission{From: "All"}
	in.Organizations[0].Spec.Login = nil
	s := compile.Compile(in).Snapshot
	if p := s.Provider("shop/intruder"); p == nil || p.OrganizationID != "acme/acme" || !s.OrganizationBySlug("acme").Counts("shop/intruder") || s.OrganizationBySlug("globex").Counts("shop/intruder") {
		t.Errorf("%+v", p)
	}
	if o := reportOn(t, in, "Organization acme/acme").Organization; o.Providers != 2 {
		t.Errorf("its own are counted as %d", o.Providers)
	}
	in.Organizations[0].Spec.Slug = "?" // while it is not served, whom it admits depend on it
	if o := reportOn(t, in, "Organization acme/acme").Organization; o.Providers != 2 {
		t.Errorf("its own are counted as %d while it is not served", o.Providers)
	}
}

func TestASuspendedProviderIsServedAsAFact(t *testing.T) {
	in := goodWorld()
	spec(&in, okta).Suspend = true
	s := compile.Compile(in).Snapshot
	if p := s.Provider("acme/okta"); p == nil || !p.Suspended || !s.OrganizationBySlug("acme").Counts("acme/okta") {
		t.Errorf("%+v", p)
	}
	conditions := reportOn(t, in, "AuthProvider acme/okta").Conditions(published, noon)
	if conditions[2].Reason != "Suspended" || conditions[2].Status != "True" {
		t.Errorf("%+v", conditions[2])
	}
}

// One that changed costs its organization alone; one of the installation costs them all.
func TestAChangedProviderTouchesOnlyWhoseItIs(t *testing.T) {
	var c compile.Compiler
	in := goodWorld()
	before := c.Compile(in).Snapshot
	change := func(i int) *model.Snapshot {
		in.Providers = slices.Clone(in.Providers)
		in.Providers[i] = in.Providers[i].DeepCopy()
		in.Providers[i].Spec.DisplayName += "x"
		return c.Compile(in).Snapshot
	}
	next := change(okta)
	if before.OrganizationBySlug("acme") == next.OrganizationBySlug("acme") || before.OrganizationBySlug("globex") != next.OrganizationBySlug("globex") || before.Digest == next.Digest {
		t.Error("acme's own provider changed: acme must be another, and globex the same")
	}
	last := change(hub)
	if next.OrganizationBySlug("globex") == last.OrganizationBySlug("globex") {
		t.Error("globex does not see what changed for the installation")
	}
	if in.Providers = slices.Clone(in.Providers); c.Compile(in).Snapshot != last {
		t.Error("nothing changed, and it is another snapshot")
	}
}

func TestAChangedUpstreamSecretIsPickedUpWithoutTouchingTheProvider(t *testing.T) {
	var c compile.Compiler
	in := goodWorld()
	digest := c.Compile(in).Snapshot.Digest
	for _, i := range []int{0, 1} { // acme's own, and one of the installation
		in.Secrets = slices.Clone(in.Secrets)
		in.Secrets[i].Version, in.Secrets[i].Data = "2", map[string]model.Sensitive{"secret": model.NewSensitive("another-" + knownSecret)}
		s := c.Compile(in).Snapshot
		uid := []string{"acme/okta", "gatehouse-system/hub"}[i]
		if got := string(s.Provider(uid).Secret().Reveal()); got != "another-"+knownSecret || s.Digest == digest {
			t.Errorf("%s presents the secret before", uid)
		}
		digest = s.Digest
	}
}

func TestRepositoriesHoldNoSecretsOfProviders(t *testing.T) {
	in := goodWorld()
	in.Secrets = nil
	if r := reportOn(t, in.AssumingSecrets(), "AuthProvider gatehouse-system/ldap"); r.NotServed {
		t.Error(r.Findings)
	}
}
