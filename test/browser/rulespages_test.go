package browser

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// nowhere is a provider that does not answer.
func nowhere(t *testing.T, name, kind string) *model.Provider {
	t.Helper()
	m, problems := mapping.New(mapping.Default(kind))
	if problems != nil {
		t.Fatal(problems)
	}
	p := &model.Provider{
		UID: "uid-" + name, Namespace: "system", Name: name, Type: kind, DisplayName: name, Mapping: m,
		Provisioning: model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject},
	}
	if kind == "LDAP" {
		p.LDAP = &model.LDAPSettings{URL: "ldaps://127.0.0.1:1", UserSearch: model.LDAPSearch{BaseDN: "uid={username},dc=acme,dc=com", Attribute: "entryUUID"}}
	} else {
		p.OIDC = &model.OIDCSettings{Issuer: "https://127.0.0.1:1", ClientID: "gatehouse", Scopes: []string{"openid"}, PKCE: true}
	}
	return p
}

// logo is a picture as wide as one may be.
func logo(t *testing.T) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 480, 80))
	for x := range 480 {
		for y := range 80 {
			img.Set(x, y, color.RGBA{0xff, uint8(0x40 + x/4), 0x20, 0xff}) // #nosec G115 -- less than 256
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// severalWays is an installation whose organization has several ways to sign in, and looks of its own.
func severalWays(t *testing.T, change func(*model.Organization)) *installation {
	t.Helper()
	in := installWith(t, toLoopback)
	works, partners, directory := nowhere(t, "Works", "OIDC"), nowhere(t, "The Partners of Acme Rockets & Sons International", "OIDC"), nowhere(t, "Directory", "LDAP")
	in.elsewhere = []*model.Provider{works, directory, partners}
	in.acme = func(o *model.Organization) {
		o.Providers = []*model.Provider{works, in.local, partners, directory}
		o.Branding = model.NewBranding("#ffd400", "https://help.acme.example/", logo(t))
		change(o)
	}
	in.publish(t)
	return in
}

func TestAnOrganizationsWaysAreLookedAt(t *testing.T) {
	in := severalWays(t, func(*model.Organization) {})
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, nil))
	w.wantText("Sign in to Acme Rockets", "To continue to", "Continue with Works", "Continue with Directory", "Get help")
	w.look("ways-branded")

	// A directory asks on a page of ours; one that does not answer says no more than that.
	w.press(`form[action="/login/sso/uid-Directory/"] button`)
	w.wantText("Sign in with Directory", "Acme Web", "Sign in another way")
	w.look("directory")
	w.focused("#username")
	w.do(chromedp.KeyEvent("ann"))
	w.tab("#password")
	w.do(chromedp.KeyEvent("whatever"))
	w.enter()
	w.wantText("Directory cannot be reached")
	w.look("unreachable")
	w.forgive("503")
	w.open("/login/?organization=acme")
	w.look("ways-organization")
}

func TestTheQuestionForAnAddressIsLookedAt(t *testing.T) {
	in := severalWays(t, func(o *model.Organization) { o.Domains = []string{"acme.example"} })
	w := in.window(t, in.app.url)
	w.withoutScripts()
	w.open(in.app.request(webID, nil))
	w.wantText("Email address", "Continue")
	w.typeInto("#email", "somebody@other.example")
	w.enterOn(`main form:has(#email) button`)
	w.wantText("Password")
	w.open(in.app.request(webID, nil))
	w.typeInto("#email", "ann@acme.example")
	w.enterOn(`main form:has(#email) button`)
	w.wantText("Works cannot be reached")
	w.forgive("503")

	looked := in.window(t, in.app.url)
	looked.open(in.app.request(webID, nil))
	looked.look("discovery")
	// Nobody has a password there: what leads nowhere says so.
	in.acme = func(change func(*model.Organization)) func(*model.Organization) {
		return func(o *model.Organization) { change(o); o.Login.EnforceSSO = true }
	}(in.acme)
	in.publish(t)
	looked.open(in.app.request(webID, nil))
	looked.fill("#email", "somebody@other.example")
	looked.press(`main form:has(#email) button`)
	looked.wantText("This address leads to none of the ways to sign in")
	looked.look("discovery-nowhere")
}

// What a rule refuses is told with the way to what it wants.
func TestWhatARuleRefusesLeadsOn(t *testing.T) {
	var rules model.LoginRules
	in := severalWays(t, func(o *model.Organization) { o.Login = rules })
	w := in.window(t, in.app.url)
	w.open("/login/")
	w.signIn(annEmail, password)

	asks := in.app.request(webID, url.Values{"scope": {"openid project:read"}})
	rules = model.LoginRules{SecondFactor: model.SecondFactorRule{Required: true, GracePeriod: 48 * time.Hour}}
	in.publish(t)
	w.open(asks)
	w.wantText("Add a second factor", "You can go on without one until", "Not now")
	w.look("second-factor-asked")
	rules.SecondFactor.GracePeriod = 0
	in.publish(t)
	w.open(asks)
	w.wantText("Add a second factor", "asks everybody for a second factor", "then open the application again")
	w.look("second-factor-required")
	w.forgive("403")
	w.enterOn(`main .way a`)
	w.enterOn(`main a[href="/account/factors/new/"]`)
	w.wantText("Let your app read this code")
	a := w.readsKey()
	w.fill("#code", a.code(t))
	w.press("main form button")
	w.recoveryCodes()
	w.open(asks)
	w.wantText("Allow access?")
	w.look("consent-branded")

	rules = model.LoginRules{EnforceSSO: true}
	in.publish(t)
	w.open(asks)
	w.wantText("Sign in another way", "It accepts: Works")
	w.look("sso-required")
	w.forgive("403")
	w.enterOn(".way a")
	w.wantText("Sign in to Acme Rockets", "Continue with Works")
	w.look("ways-enforced")
	if run(w, chromedp.Evaluate[bool](`document.querySelector("#password") !== null`)) {
		t.Error("a password is asked for where none counts")
	}
}

// Who signs in by an organization's own provider is told what that does not open.
func TestWhatATenantsProviderDoesNotOpenIsLookedAt(t *testing.T) {
	c := byLDAP(t)
	c.provider.OrganizationID = "org acme"
	c.publish(t)
	w := c.visitor(t)
	w.open("/login/")
	if run(w, chromedp.Evaluate[bool](`document.querySelector(".ways") !== null`)) {
		t.Error("a tenant's provider is offered to everybody")
	}
	w.open("/login/?organization=acme")
	w.press(way)
	c.proves(w, "bob")
	w.wantText("You are signed in")
	w.open("/account/")
	w.look("account-of-a-tenant")
	ids := c.cameBy(t)
	if len(ids) != 1 {
		t.Fatalf("%d accounts", len(ids))
	}
	if err := c.store.AddMembership(t.Context(), ids[0], model.Membership{OrganizationID: "org tools", Source: "invitation"}, store.Event{Time: time.Now(), Actor: "operator", Action: "membership.created"}); err != nil {
		t.Fatal(err)
	}
	w.open("/account/sessions/")
	w.wantText("It speaks for you in that organization alone")
	w.look("managed-elsewhere")
	w.forgive("403")
}
