package browser

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
	"github.com/gatehouse-dev/gatehouse/test/upstream/saml"
	"github.com/gatehouse-dev/gatehouse/test/upstream/slapd"
)

// namedHost is what an installation is called that is another site than everything else
// here: to browsers all of 127.0.0.1 is one, whatever the port.
const namedHost = "auth.example.com"

// town is an installation with one provider elsewhere that others wrote. There ann is an
// engineer and of the staff, bob of the staff alone, and stranger neither. Only the staff may
// sign in.
type town struct {
	*installation
	provider *model.Provider
	others   []string // origins of the provider
	// proves signs in there; again is what is left to do where the browser did before.
	proves, again func(w *window, name string)
	idp           *saml.IdP // of SAML
}

// toLoopback lets a server ask what is on this machine.
func toLoopback(c *server.Config) {
	c.Outbound.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// serves declares the provider, whose groups are said by an expression.
func (in *installation) serves(t *testing.T, p *model.Provider, groups, engineers string) {
	t.Helper()
	source := mapping.Default(p.Type)
	source.Groups, source.Require = groups, groups+`.exists(g, g in ["staff", "developers"])`
	m, problems := mapping.New(source)
	if problems != nil {
		t.Fatal(problems)
	}
	p.Namespace, p.Name, p.Mapping, p.GroupsMaxAge = "system", "works", m, model.GroupsMaxAgeDefault
	p.Provisioning = model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject}
	in.elsewhere = []*model.Provider{p}
	in.engineers = []model.Group{{ProviderUID: p.UID, Name: engineers}}
	in.publish(t)
}

// byOIDC is npm oidc-provider.
func byOIDC(t *testing.T) *town {
	in, issuer := serveElsewhere(t)
	in.serves(t, in.elsewhere[0], `claims.?groups.orValue([])`, "engineers")
	return &town{installation: in, provider: in.elsewhere[0], others: []string{issuer}, proves: (*window).proves, again: func(*window, string) {}}
}

// byLDAP is OpenLDAP, whose people sign in on a page of ours.
func byLDAP(t *testing.T) *town {
	leaks.Remember(slapd.AnnsPassword, slapd.BobsPassword, slapd.ServicePassword)
	d := slapd.Start(t, slapd.Entries+`
dn: uid=stranger,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: stranger
cn: Stranger
sn: Stranger
userPassword: bob likes long walks 2
`)
	in := installWith(t, toLoopback)
	p := &model.Provider{UID: worksUID, Type: "LDAP", DisplayName: "Works", LDAP: d.Settings()}
	in.serves(t, p, `claims.?groups.orValue([])`, "admins")
	proves := func(w *window, name string) {
		w.wantText("Sign in with Works", "Name at Works")
		w.fill("#username", name)
		w.fill("#password", map[bool]string{true: slapd.AnnsPassword, false: slapd.BobsPassword}[name == "ann"])
		w.press("main form button")
	}
	return &town{installation: in, provider: p, proves: proves, again: proves}
}

const (
	samlPassword = "correct horse of the provider"
	affiliation  = "urn:mace:dir:attribute-def:eduPersonAffiliation"
)

// bySAML is pysaml2, which knows the installation by the metadata that this serves.
func bySAML(t *testing.T, at site, change func(*model.SAMLSettings)) *town {
	leaks.Remember(samlPassword)
	person := func(mail string, groups ...string) saml.Person {
		return saml.Person{Password: samlPassword, Attributes: map[string][]string{"mail": {mail}, "eduPersonAffiliation": groups}}
	}
	idp := saml.Start(t, saml.Settings{People: map[string]saml.Person{
		"ann": person("ann@acme.example", "engineers", "staff"), "bob": person("bob@acme.example", "staff"), "stranger": person("who@acme.example", "guests"),
	}})
	in := installOn(t, at, toLoopback)
	p := &model.Provider{UID: worksUID, Type: "SAML", DisplayName: "Works", SAML: &model.SAMLSettings{MetadataURL: idp.MetadataURL(), CABundle: idp.CABundle}}
	change(p.SAML)
	in.serves(t, p, `claims.?attributes[?"`+affiliation+`"].orValue([])`, "engineers")
	idp.Trust(t, in.get(t, "/login/metadata/"+worksUID+"/"))
	again := func(w *window, _ string) { w.press("button") } // it posts the answer
	proves := func(w *window, name string) {
		w.fill("input[name=username]", name)
		w.fill("input[name=password]", samlPassword)
		w.press("button")
		again(w, name)
	}
	return &town{installation: in, provider: p, others: []string{idp.URL}, proves: proves, again: again, idp: idp}
}

func (in *installation) get(t *testing.T, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, in.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := in.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s, %v", path, resp.StatusCode, body, err)
	}
	return body
}

// visitor is a window that knows the provider and the application.
func (c *town) visitor(t *testing.T) *window {
	return c.installation.visitor(t, append(slices.Clone(c.others), c.app.url)...)
}

// cameBy are the accounts that came by the provider.
func (c *town) cameBy(t *testing.T) (ids []string) {
	t.Helper()
	users, err := c.store.Users(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if u.Email != annEmail && u.Email != bobEmail {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

const way = ".ways button"

func TestPeopleSignInByWhatOthersWrote(t *testing.T) {
	none := func(*model.SAMLSettings) {}
	for name, found := range map[string]func(*testing.T) *town{
		"OpenID Connect": byOIDC,
		"LDAP":           byLDAP,
		"SAML":           func(t *testing.T) *town { return bySAML(t, site{"https", namedHost}, none) },
		"SAML over http": func(t *testing.T) *town { return bySAML(t, site{"http", "127.0.0.1"}, none) },
	} {
		t.Run(name, func(t *testing.T) { found(t).lives(t) })
	}
}

// lives is what happens there.
func (c *town) lives(t *testing.T) {
	asks := url.Values{"scope": {"openid groups project:read release:write"}}
	w := c.visitor(t)
	w.open("/login/")
	w.press(way)
	c.proves(w, "ann")
	w.wantText("You are signed in")
	first := c.cameBy(t)
	w.open("/logout/")
	w.press("main button")

	// The second time it is the same account, and its group is a Role.
	w.open(c.app.request(webID, asks))
	w.wantText("Acme Web", "Continue with Works")
	w.press(way)
	c.again(w, "ann")
	w.wantText("Allow access?", "Publish releases")
	w.press("button[value=approve]")
	w.wantText("You are back at Acme")
	tokens := c.redeem(t, webID, c.app.answer(t).Get("code"))
	if tokens["scope"] != "groups openid project:read release:write" {
		t.Errorf("the application was given the scope %q", tokens["scope"])
	}
	if said := payload(t, tokens["id_token"].(string)); !strings.Contains(said, `"groups":["role:developer"]`) {
		t.Errorf("the ID token says %s", said)
	}
	if now := c.cameBy(t); len(first) != 1 || !slices.Equal(now, first) {
		t.Errorf("the accounts were %v, now %v", first, now)
	}

	bob := c.visitor(t)
	bob.open(c.app.request(webID, asks))
	bob.press(way)
	c.proves(bob, "bob")
	bob.wantText("You are not a member of Acme Rockets")

	stranger := c.visitor(t)
	stranger.open("/login/")
	stranger.press(way)
	c.proves(stranger, "stranger")
	stranger.wantText("You are not signed in", "Works knows you, but you may not sign in here with it")
	stranger.look("refused-by-the-mapping")
	stranger.forgive("403")
	if now := c.cameBy(t); len(now) != 2 {
		t.Errorf("there are %d accounts, want that of ann and that of bob", len(now))
	}
	c.wantPosted(t)
}

// wantPosted reports what browsers sent along with answers by post: neither a session nor
// what is Lax, and what says that it is to be sent. Without TLS a browser takes no such
// cookie; Chromium sends one that says nothing for two minutes.
func (c *town) wantPosted(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if want := c.provider.SAML != nil; want != (len(c.posted) > 0) {
		t.Errorf("%d answers were posted", len(c.posted))
	}
	for _, names := range c.posted {
		for _, n := range names {
			if !strings.Contains(n, "gatehouse-posted-") {
				t.Errorf("%q came with a post of another site", n)
			}
		}
		if len(names) == 0 {
			t.Error("nothing came with a post of another site")
		}
	}
}

// ASVS 7.6.2: only where it is declared, and then the person is asked.
func TestWhoComesFromAPortalIsAskedFirst(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		c := bySAML(t, site{"https", namedHost}, func(s *model.SAMLSettings) { s.AllowIdPInitiated = allowed })
		w := c.visitor(t)
		w.open("/login/")
		w.signIn(bobEmail, password)
		w.open(c.idp.PortalURL(c.url + "/login/callback/" + worksUID + "/"))
		c.proves(w, "ann")
		if !allowed {
			w.wantText("This sign-in cannot go on")
			w.look("cannot-go-on")
			w.forgive("403")
			if len(c.cameBy(t)) != 0 {
				t.Error("an account was made")
			}
			continue
		}
		w.wantText("Sign in with Works?", "<strong>ann@acme.example</strong>", "You are signed in as <strong>"+bobEmail)
		w.look("arrival")
		w.open("/account/")
		w.wantText(bobEmail) // nothing has changed before the answer
		w.open(c.idp.PortalURL(c.url + "/login/callback/" + worksUID + "/"))
		c.proves(w, "ann")
		w.focused("body")
		w.tab("main form button")
		w.enter()
		w.wantText("You are signed in")
		w.open("/account/identities/")
		w.wantText("ann@acme.example")
	}
}
