package browser

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// Client IDs, and what one of them proves itself with.
const (
	cliID    = "acme.tools.cli" // Device
	webID    = "acme.web"       // Web
	notesID  = "acme.notes"     // Native
	singleID = "acme.single"    // SPA
	portalID = "acme.portal"    // Web, remembers consent
	chartsID = "tools.charts"   // Web, of Tool Makers; members of Acme Rockets may let it in

	webSecret = "gcs_web-secret-web-secret-web-secret-1"
)

// portalURL is where the portal is, with TLS: where nothing else can be (RFC 8252 section 8.6).
const portalURL = "https://portal.example.com"

// notesScheme is the private-use scheme of the native application.
const notesScheme = "com.example.notes"

// publish declares what the tests need. Ann holds a role in both organizations.
func (in *installation) publish(t *testing.T) {
	t.Helper()
	all := oauth.NewScopeSet("org:read", "project:read", "project:write", "release:write")
	role := []model.Holding{{Role: &model.Role{UID: "role", Name: "developer", Scopes: all}}}
	var providers []*model.Provider
	if in.local != nil {
		providers = append(providers, in.local)
	}
	providers = append(providers, in.elsewhere...)
	acme := in.organization("acme", "Acme Rockets", providers)
	if in.acme != nil {
		in.acme(acme)
	}
	groups := map[model.Group][]model.Holding{}
	for _, g := range in.engineers {
		groups[g] = role
	}
	acme.External.ClientIDs = []string{chartsID}
	tools := in.organization("tools", "Tool Makers", providers)
	applications, objects := in.applications(all)
	objects = append(objects, model.ObjectID{Kind: "Organization", UID: acme.ID}, model.ObjectID{Kind: "Organization", UID: tools.ID})
	snapshot := model.NewSnapshot("one", []*model.Organization{
		acme.WithMembers(applications[:len(applications)-1], map[string][]model.Holding{annEmail: role}).WithGroups(groups, nil),
		tools.WithMembers(applications[len(applications)-1:], map[string][]model.Holding{annEmail: role}),
	}, providers, objects)
	if err := in.srv.Publish(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
}

func (in *installation) organization(slug, name string, providers []*model.Provider) *model.Organization {
	return &model.Organization{
		ID: "org " + slug, Slug: slug, DisplayName: name, Providers: providers,
		Tokens: model.TokenCeilings{AccessToken: time.Hour, JWTAccessToken: 10 * time.Minute, RefreshIdle: 30 * 24 * time.Hour, RefreshAbsolute: 90 * 24 * time.Hour},
		Catalogue: model.NewCatalogue([]model.Scope{
			{Name: "org:read", Description: "See the organization and its members", Includes: oauth.NewScopeSet("org:read")},
			{Name: "project:read", Description: "See projects", Includes: oauth.NewScopeSet("project:read")},
			{Name: "project:write", Description: "Create and change projects", Includes: oauth.NewScopeSet("project:read", "project:write")},
			{Name: "release:write", Description: "Publish releases", Includes: oauth.NewScopeSet("release:write")},
		}),
	}
}

// applications are those of Acme Rockets, and last the one of Tool Makers.
func (in *installation) applications(ceiling oauth.ScopeSet) (all []*model.Application, objects []model.ObjectID) {
	leaks.Remember(webSecret)
	code := []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken}
	secret := []model.ClientSecret{{Digest: in.keys.DigestKey().Digest([]byte(webSecret))}}
	back, bye := []string{in.app.url + "/callback"}, []string{in.app.url + "/bye"}
	all = []*model.Application{
		{ClientID: cliID, DisplayName: "Acme Command Line", Type: "Device", GrantTypes: []oauth.GrantType{oauth.DeviceCode}},
		{ClientID: webID, DisplayName: "Acme Web", Type: model.TypeWeb, GrantTypes: code, Secrets: secret, RedirectURIs: back, PostLogoutRedirectURIs: bye},
		{ClientID: notesID, DisplayName: "Acme Notes", Type: model.TypeNative, GrantTypes: code, RedirectURIs: []string{
			"http://127.0.0.1/callback", "http://[::1]/callback", "http://localhost/callback", notesScheme + ":/callback",
		}},
		{
			ClientID: singleID, DisplayName: "Acme Single Page", Type: model.TypeSPA, GrantTypes: code,
			RedirectURIs: []string{in.app.url + "/spa/"}, PostLogoutRedirectURIs: []string{in.app.url + "/spa/"}, AllowedOrigins: []string{in.app.url},
		},
		{
			ClientID: portalID, DisplayName: "Acme Portal", Type: model.TypeWeb, GrantTypes: code, Secrets: secret, RedirectURIs: []string{portalURL + "/callback"},
			Consent: model.Consent{Mode: model.ConsentRemember, MaxAge: 30 * 24 * time.Hour},
		},
		{ClientID: chartsID, DisplayName: "Charts", Type: model.TypeWeb, GrantTypes: code, Secrets: secret, RedirectURIs: back, AnyOrganization: true},
	}
	for _, a := range all {
		a.UID, a.IDTokenAlg, a.AccessTokenTTL = "app "+a.ClientID, "RS256", 15*time.Minute
		a.Scopes, a.Declared, a.ProtocolScopes = ceiling, ceiling, oauth.ProtocolScopes
		objects = append(objects, model.ObjectID{Kind: "ApiApplication", UID: a.UID})
	}
	return all, objects
}
