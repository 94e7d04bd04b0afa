package browser

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPersonSignsInAllowsAndIsBackAtTheApplication(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, url.Values{"login_hint": {annEmail}, "scope": {"openid groups org:read project:write release:write"}}))
	w.wantText("Use your Example Works account to continue to <strong>Acme Web</strong>", `value="`+annEmail+`"`)
	w.look("login-to")
	w.fill("#password", password)
	w.press("main button")
	w.wantText("Allow access?", "Acme Web", "Acme Rockets", in.app.url, "until you sign out", "Create and change projects", "Publish releases",
		"Your name", "Your email address", "Your roles in Acme Rockets")
	w.look("consent")
	w.press("button[value=approve]")
	w.wantText("You are back at Acme")
	answer := in.app.answer(t)
	if answer.Get("state") != "state of the application" || answer.Get("iss") != in.url {
		t.Errorf("the application was told %v", answer)
	}
	tokens := in.redeem(t, webID, answer.Get("code"))
	if tokens["id_token"] == nil || tokens["scope"] != "groups openid org:read project:read project:write release:write" {
		t.Errorf("the application was given the scope %q, ID token: %t", tokens["scope"], tokens["id_token"] != nil)
	}
}

// Applications take the answer at one address and go on at another, such as a proxy that
// signs people in for many hosts. The page's policy holds for the whole way.
func TestApplicationSendsPeopleOnToAnotherHost(t *testing.T) {
	in := install(t)
	other := serveApplication(t)
	in.app.onward = other.url + "/bye?state=friend"
	w := in.window(t, in.app.url, other.url)
	w.open(in.app.request(webID, nil))
	w.signIn(annEmail, password)
	w.press("button[value=approve]")
	w.wantText("Goodbye, friend")
}

func TestDenialIsBroughtToTheApplication(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, nil))
	w.signIn(annEmail, password)
	w.press("button[value=deny]")
	w.wantText("You are back at Acme")
	if answer := in.app.answer(t); answer.Get("error") != "access_denied" || answer.Has("code") || answer.Get("state") != "state of the application" {
		t.Errorf("the application was told %v", answer)
	}
}

func TestPersonChoosesTheOrganization(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(chartsID, url.Values{"scope": {"openid offline_access project:read"}}))
	w.signIn(annEmail, password)
	w.wantText("Choose an organization", "Charts", "Acme Rockets", "Tool Makers")
	w.look("organization")
	w.press("button[value=acme]")
	w.wantText("Allow access?", "belongs to Tool Makers (tools), not to Acme Rockets", "See projects", "Stay connected while you are away", "for 90 days at most")
	w.look("consent-abroad")
	w.press("button[value=approve]")
	w.wantText("You are back at Acme")
	tokens := in.redeem(t, chartsID, in.app.answer(t).Get("code"))
	if organization, _ := tokens["organization"].(map[string]any); organization["slug"] != "acme" {
		t.Errorf("the tokens are for %v", organization)
	}
}

func TestWhoHasNoRoleCanOnlyGoBack(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, nil))
	w.signIn(bobEmail, password)
	w.wantText("You are not a member of Acme Rockets")
	w.look("consent-obstacle")
	w.press("main button")
	w.wantText("You are back at Acme")
	if answer := in.app.answer(t); answer.Get("error") != "access_denied" {
		t.Errorf("the application was told %v", answer)
	}
}

// An address with TLS proves who is there, so there an answer can be remembered. Only a
// request for more is a question again.
func TestWhatWasAllowedIsRemembered(t *testing.T) {
	in := install(t)
	portal := httptest.NewTLSServer(in.app.mux)
	t.Cleanup(portal.Close)
	w := openWindow(t, in.url, []string{portalURL}, chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP portal.example.com "+portal.Listener.Addr().String()))
	w.reportAtEnd()
	back := []string{portalURL + "/callback"}
	w.open(in.app.request(portalID, url.Values{"redirect_uri": back, "scope": {"openid project:read"}}))
	w.signIn(annEmail, password)
	w.wantText("Acme Portal", portalURL, "you are asked again only when it asks for more")
	w.look("consent-remembered")
	w.press("button[value=approve]")
	w.wantText("You are back at Acme")

	w.open(in.app.request(portalID, url.Values{"redirect_uri": back, "scope": {"openid project:read"}}))
	w.wantText("You are back at Acme")
	w.open("/logout/")
	w.press("main button")
	w.open(in.app.request(portalID, url.Values{"redirect_uri": back, "scope": {"openid"}}))
	w.signIn(annEmail, password) // the form to sign in leads as far as the application
	w.wantText("You are back at Acme")
	w.open(in.app.request(portalID, url.Values{"redirect_uri": back, "scope": {"openid project:write"}}))
	w.wantText("Allow access?", "Create and change projects")
	for range 3 {
		if answer := in.app.answer(t); answer.Get("code") == "" {
			t.Errorf("the application was told %v", answer)
		}
	}
}

// RFC 9700 section 4.11: nothing unproven is followed, nor is it linked to.
func TestUnregisteredRedirectURIEndsOnAPage(t *testing.T) {
	in := install(t)
	w := in.window(t) // not even the application may be visited
	w.open(in.app.request(webID, url.Values{"redirect_uri": {in.app.url + "/elsewhere"}}))
	w.wantText("redirect_uri is not one of its redirectURIs")
	w.look("unregistered-redirect")
	w.forgive("status of 400")
	w.open(in.app.request("acme.nobody", nil))
	w.wantText("not known")
	w.look("unknown-application")
	w.forgive("status of 400")
}

// The keyboard alone: what is asked for comes before the answer, and Allow before Deny.
func TestKeyboardAloneSufficesForConsent(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(chartsID, nil))
	w.focused("#email")
	w.do(chromedp.KeyEvent(annEmail), chromedp.KeyEvent("\t"), chromedp.KeyEvent(password))
	w.enter()
	w.wantText("Choose an organization")
	w.tab("button[value=tools]")
	w.look("organization-focus")
	w.enter()
	w.wantText("Allow access?")
	w.tab("button[value=approve]")
	w.tab("button[value=deny]")
	w.look("consent-focus")
	w.enter()
	w.wantText("You are back at Acme")
	if answer := in.app.answer(t); answer.Get("error") != "access_denied" {
		t.Errorf("the application was told %v", answer)
	}
}

func TestConsentWorksWithoutJavaScript(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.withoutScripts()
	w.open(in.app.request(chartsID, nil))
	w.typeInto("#email", annEmail)
	w.typeInto("#password", password)
	w.enter()
	w.enterOn("button[value=acme]")
	w.wantText("Allow access?")
	w.enterOn("button[value=approve]")
	w.wantText("You are back at Acme")
	in.redeem(t, chartsID, in.app.answer(t).Get("code"))
}
