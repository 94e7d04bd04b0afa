package servertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Clients of the world.
const (
	CLI       = "acme.cli"   // Device, public
	OtherCLI  = "acme.other" // Device, public, without refresh tokens
	Box       = "acme.box"   // Device, confidential
	Machine   = "acme.ci"    // Machine, introspects its organization
	Gateway   = "acme.gw"    // Machine, introspects its own tokens only
	GlobexCLI = "globex.cli" // Device, public, in the other organization
	GlobexBot = "globex.bot" // Machine, introspects its organization: the other one

	Web    = "acme.web"    // Web, confidential, may do without PKCE
	Site   = "acme.site"   // Web, confidential, remembers consent
	SPA    = "acme.spa"    // SPA, public
	Native = "acme.native" // Native, public, on loopback or by a scheme of its own
	Abroad = "globex.tool" // Web, confidential, in any organization that admits it: acme does
)

// Redirect URIs of the clients.
var Redirects = map[string][]string{
	Web:    {"https://web.example.com/callback", "https://web.example.com/other?kept=1"},
	Site:   {"https://site.example.com/callback"},
	SPA:    {"https://spa.example.com/callback"},
	Native: {"http://127.0.0.1/callback", "http://[::1]/callback", "com.example.app:/callback"},
	Abroad: {"https://tool.example.com/callback"},
}

// Secrets of the confidential clients.
var Secrets = map[string]string{
	Box:       "gcs_box+secret/with:colon&more=%20ok",
	Machine:   "gcs_machine-secret-machine-secret-1",
	Gateway:   "gcs_gateway-secret-gateway-secret-1",
	GlobexBot: "gcs_globexbot-secret-globexbot-secret",
	Web:       "gcs_web-secret-web-secret-web-secret",
	Site:      "gcs_site-secret-site-secret-site-secret",
	Abroad:    "gcs_tool-secret-tool-secret-tool-secret",
}

// People of the world: Ann is a developer at acme and a reader at globex, Bob a reader at
// acme.
var (
	Ann = store.User{ID: "usr_annannannannannannanna", Email: "ann@example.com", Login: "ann@example.com", Name: "Ann", EmailProvenBy: "operator"}
	Bob = store.User{ID: "usr_bobbobbobbobbobbobbobb", Email: "bob@example.com", Login: "bob@example.com", Name: "Bob", EmailProvenBy: "operator"}
)

// Declared is what the world declares. Tests change it and publish again.
type Declared struct {
	Local         *model.Provider
	Organizations map[string]*model.Organization    // by slug
	Applications  map[string]*model.Application     // by client ID
	Roles         map[string]*model.Role            // "acme developer", "acme reader", "globex reader"
	Holdings      map[string]map[string][]string    // slug → address or client ID → names of roles
	Groups        map[string]map[model.Group]string // slug → group → name of a role
	Defaults      map[string]string                 // slug → name of the role that members hold
	NotAfter      map[string]time.Time              // of every holding of a role
	Adopted       map[string]string                 // UID → ID of objects that go on as one before them
	Names         map[string]string                 // client ID → namespace/name, of those that bear another
}

// Declare returns the declarations that a World begins with.
func Declare(digestKey model.Sensitive) *Declared {
	d := &Declared{
		Local:         &model.Provider{UID: "5f0e8a0e-0000-4000-8000-00000000000a", Type: "Local", Name: "local", DisplayName: "Example", Local: &model.LocalPolicy{MinLength: 12}},
		Organizations: map[string]*model.Organization{}, Applications: map[string]*model.Application{},
		Roles: map[string]*model.Role{}, NotAfter: map[string]time.Time{},
		Holdings: map[string]map[string][]string{
			"acme": {
				Ann.Email: {"acme developer"}, Bob.Email: {"acme reader"},
				Machine: {"acme reader"}, Gateway: {"acme reader"},
			},
			"globex": {Ann.Email: {"globex reader"}, GlobexBot: {"globex reader"}},
		},
	}
	d.organization("acme", "5f0e8a0e-0000-4000-8000-000000000001")
	d.organization("globex", "5f0e8a0e-0000-4000-8000-000000000002")
	d.role("acme developer", "org:read", "project:read", "project:write")
	d.role("acme reader", "org:read", "project:read")
	d.role("globex reader", "org:read")
	ceiling := []string{"org:read", "project:read", "project:write"}
	device := []oauth.GrantType{oauth.DeviceCode, oauth.RefreshToken}
	machine := []oauth.GrantType{oauth.ClientCredentials}
	browser := []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken}
	for i, a := range []*model.Application{
		{ClientID: CLI, Type: "Device", GrantTypes: device, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.NewScopeSet(oauth.OfflineAccess)},
		{ClientID: OtherCLI, Type: "Device", GrantTypes: device[:1], Scopes: oauth.NewScopeSet(ceiling...)},
		{ClientID: Box, Type: "Device", GrantTypes: device, Scopes: oauth.NewScopeSet("org:read")},
		{ClientID: Machine, Type: "Machine", GrantTypes: machine, Scopes: oauth.NewScopeSet(ceiling...), IntrospectsOrganization: true},
		{ClientID: Gateway, Type: "Machine", GrantTypes: machine, Scopes: oauth.NewScopeSet(ceiling...)},
		{ClientID: GlobexCLI, Type: "Device", GrantTypes: device, Scopes: oauth.NewScopeSet(ceiling...)},
		{ClientID: Web, Type: "Web", GrantTypes: browser, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.ProtocolScopes, PKCEOptional: true, PostLogoutRedirectURIs: []string{"https://web.example.com/bye"}},
		{ClientID: Site, Type: "Web", GrantTypes: browser, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.ProtocolScopes, Consent: model.Consent{Mode: model.ConsentRemember, MaxAge: 30 * 24 * time.Hour}},
		{ClientID: SPA, Type: "SPA", GrantTypes: browser, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.ProtocolScopes, AllowedOrigins: []string{"https://spa.example.com"}},
		{ClientID: Native, Type: "Native", GrantTypes: browser, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.ProtocolScopes, Consent: model.Consent{Mode: model.ConsentRemember, MaxAge: 30 * 24 * time.Hour}},
		{ClientID: Abroad, Type: "Web", GrantTypes: browser, Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.ProtocolScopes, AnyOrganization: true, Consent: model.Consent{Mode: model.ConsentSkip}},
		{ClientID: GlobexBot, Type: "Machine", GrantTypes: machine, Scopes: oauth.NewScopeSet(ceiling...), IntrospectsOrganization: true},
	} {
		a.UID = fmt.Sprintf("5f0e8a0e-0000-4000-8000-0000000001%02x", i)
		a.DisplayName, a.AccessTokenTTL, a.IDTokenAlg = a.ClientID, 15*time.Minute, "ES256"
		a.Declared, a.RedirectURIs = a.Scopes, Redirects[a.ClientID]
		if secret, ok := Secrets[a.ClientID]; ok {
			a.Secrets = []model.ClientSecret{{Digest: digestKey.Digest([]byte(secret))}}
		}
		d.Applications[a.ClientID] = a
	}
	return d
}

func (d *Declared) organization(slug, id string) {
	catalogue := model.NewCatalogue([]model.Scope{
		{Name: "org:read", Description: "See the organization", Includes: oauth.NewScopeSet("org:read")},
		{Name: "project:read", Description: "See projects", Includes: oauth.NewScopeSet("project:read")},
		{Name: "project:write", Description: "Change projects", Includes: oauth.NewScopeSet("project:read", "project:write")},
		{Name: "project:admin", Description: "Delete projects", Includes: oauth.NewScopeSet("project:admin", "project:read", "project:write")},
	})
	d.Organizations[slug] = &model.Organization{
		ID: id, Slug: slug, DisplayName: strings.ToUpper(slug[:1]) + slug[1:], Catalogue: catalogue,
		CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Providers: []*model.Provider{d.Local},
		Tokens:   model.TokenCeilings{AccessToken: time.Hour, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 72 * time.Hour, JWTAccessToken: 10 * time.Minute},
		External: model.ExternalApplications{ClientIDs: []string{Abroad}},
	}
}

func (d *Declared) role(name string, scopes ...string) {
	d.Roles[name] = &model.Role{UID: "role " + name, Name: name, Scopes: oauth.NewScopeSet(scopes...)}
}

// Snapshot is what is declared now. It shares nothing that a test changes afterwards.
func (d *Declared) Snapshot() *model.Snapshot {
	var organizations []*model.Organization
	objects := []model.ObjectID{{Kind: "AuthProvider", Namespace: "gatehouse-system", Name: "local", UID: d.Local.UID}}
	local := *d.Local
	local.UID = d.id(d.Local.UID)
	for slug, o := range d.Organizations {
		objects = append(objects, model.ObjectID{Kind: "Organization", Namespace: slug, Name: slug, UID: o.ID})
		var applications []*model.Application
		people := map[string][]model.Holding{}
		for holder, names := range d.Holdings[slug] {
			if strings.Contains(holder, "@") && len(names) > 0 {
				people[holder] = d.held(names)
			}
		}
		for id, a := range d.Applications {
			if strings.HasPrefix(id, slug+".") {
				kept := *a
				kept.UID, kept.Namespace, kept.Name = d.id(a.UID), slug, id
				if name, other := d.Names[id]; other {
					kept.Namespace, kept.Name, _ = strings.Cut(name, "/")
				}
				kept.Holdings = d.held(d.Holdings[slug][id])
				applications = append(applications, &kept)
				objects = append(objects, model.ObjectID{Kind: "ApiApplication", Namespace: kept.Namespace, Name: kept.Name, UID: a.UID})
			}
		}
		kept := *o
		kept.ID = d.id(o.ID)
		kept.Providers = slices.Clone(o.Providers)
		for i, p := range kept.Providers {
			if p == d.Local {
				kept.Providers[i] = &local
			} else {
				objects = append(objects, model.ObjectID{Kind: "AuthProvider", Namespace: slug, Name: p.UID, UID: p.UID})
			}
		}
		organizations = append(organizations, kept.WithMembers(applications, people).WithGroups(d.groups(slug)))
	}
	s := model.NewSnapshot("test", organizations, []*model.Provider{&local}, objects)
	s.Adopted = maps.Clone(d.Adopted)
	return s
}

func (d *Declared) groups(slug string) (groups map[model.Group][]model.Holding, defaults []*model.Role) {
	groups = map[model.Group][]model.Holding{}
	for g, name := range d.Groups[slug] {
		groups[g] = d.held([]string{name})
	}
	if name := d.Defaults[slug]; name != "" {
		defaults = append(defaults, d.held([]string{name})[0].Role)
	}
	return groups, defaults
}

func (d *Declared) id(uid string) string {
	if id, heir := d.Adopted[uid]; heir {
		return id
	}
	return uid
}

func (d *Declared) held(names []string) (holdings []model.Holding) {
	for _, name := range names {
		role := *d.Roles[name]
		holdings = append(holdings, model.Holding{Role: &role, NotAfter: d.NotAfter[name]})
	}
	return holdings
}
