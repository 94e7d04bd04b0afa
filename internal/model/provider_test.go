package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func upstream(t *testing.T, change func(*model.Provider)) *model.Provider {
	t.Helper()
	m, problems := mapping.New(mapping.Default("OIDC"))
	if problems != nil {
		t.Fatal(problems)
	}
	p := &model.Provider{
		UID: "okta", Namespace: "acme", Name: "okta", Type: "OIDC", OrganizationID: "acme", Mapping: m, GroupsMaxAge: time.Hour,
		OIDC:         &model.OIDCSettings{Issuer: "https://idp.example", ClientSecret: model.NewSensitive("never-print-this"), Scopes: []string{"openid"}},
		Provisioning: model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkByVerifiedEmail},
	}
	if change != nil {
		settings := *p.OIDC
		p.OIDC = &settings
		change(p)
	}
	return p
}

func TestProvidersAreEqualByWhatTheyServe(t *testing.T) {
	if !upstream(t, nil).Equal(upstream(t, nil)) {
		t.Error("equal providers are not")
	}
	other, _ := mapping.New(mapping.Default("LDAP"))
	for name, change := range map[string]func(*model.Provider){
		"issuer": func(p *model.Provider) { p.OIDC.Issuer += "x" }, "secret": func(p *model.Provider) { p.OIDC.ClientSecret = model.NewSensitive("x") },
		"mapping": func(p *model.Provider) { p.Mapping = other }, "no mapping": func(p *model.Provider) { p.Mapping = nil },
		"suspended": func(p *model.Provider) { p.Suspended = true }, "whose": func(p *model.Provider) { p.OrganizationID = "" },
	} {
		if upstream(t, change).Equal(upstream(t, nil)) || upstream(t, nil).Equal(upstream(t, change)) {
			t.Errorf("another %s is equal", name)
		}
	}
	var none *model.Provider
	if none.Equal(upstream(t, nil)) || upstream(t, nil).Equal(none) || !none.Equal(nil) {
		t.Error("none is compared wrongly")
	}
}

func TestADescriptionOfAProviderShowsNoSecret(t *testing.T) {
	text := upstream(t, nil).Describe()
	if strings.Contains(text, "never-print-this") || !strings.Contains(text, `issuer "https://idp.example"`) || !strings.Contains(text, "secret true") || !strings.Contains(text, `mapping.subject "claims.sub"`) {
		t.Error(text)
	}
}

// While the store fails, of settings that are others neither is the stricter one.
func TestOfAProviderOnlyWhatIsStricterIsLeft(t *testing.T) {
	only := func(change func(*model.Provider)) *model.Provider {
		org := func(p *model.Provider) *model.Snapshot {
			o := model.Organization{ID: "acme", Slug: "acme", Providers: []*model.Provider{p}}.WithMembers(nil, nil)
			return model.NewSnapshot("", []*model.Organization{o}, nil, nil)
		}
		return org(upstream(t, nil)).Only(org(upstream(t, change))).Provider("okta")
	}
	if p := only(nil); p == nil || p.Suspended {
		t.Errorf("%+v", p)
	}
	for name, change := range map[string]func(*model.Provider){
		"issuer": func(p *model.Provider) { p.OIDC.Issuer += "x" }, "mapping": func(p *model.Provider) { p.Mapping = nil }, "suspended": func(p *model.Provider) { p.Suspended = true },
	} {
		if p := only(change); p == nil || !p.Suspended || p.OIDC.Issuer != "https://idp.example" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	p := only(func(p *model.Provider) {
		p.Provisioning, p.GroupsMaxAge = model.Provisioning{Mode: model.ProvisionDeny, LinkBy: model.LinkBySubject}, time.Minute
	})
	if p.Suspended || p.Provisioning.Mode != model.ProvisionDeny || p.Provisioning.LinkBy != model.LinkBySubject || p.GroupsMaxAge != time.Minute {
		t.Errorf("%+v", p)
	}
	if p := only(func(p *model.Provider) { p.OrganizationID = "" }); p != nil {
		t.Errorf("one that is for everybody now stays: %+v", p)
	}
}

// A tenant's provider is never found in the place of one of the installation, nor through an
// Organization that it is not of.
func TestAProviderIsFoundByWhoseItIs(t *testing.T) {
	wide := &model.Provider{UID: "okta", Name: "wide"}
	foreign := upstream(t, func(p *model.Provider) { p.UID, p.OrganizationID = "foreign", "globex" })
	o := model.Organization{ID: "acme", Slug: "acme", Providers: []*model.Provider{upstream(t, nil), foreign}}.WithMembers(nil, nil)
	s := model.NewSnapshot("", []*model.Organization{o}, []*model.Provider{wide}, nil)
	if s.Provider("okta") != wide || s.Provider("foreign") != nil || s.Provider("") != nil {
		t.Error("found a provider in another's place")
	}
	if got := upstream(t, func(p *model.Provider) { p.UID = "a/../b" }).CallbackURL("https://auth.example/"); got != "https://auth.example/login/callback/a%2F..%2Fb/" {
		t.Error(got)
	}
}
