package browser

import (
	"net/url"
	"testing"
)

// ASVS 10.6.2: nobody is signed out by a link alone.
func TestApplicationAsksToSignOut(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open("/login/")
	w.signIn(annEmail, password)
	out := "/oauth/logout/?" + url.Values{"client_id": {webID}, "post_logout_redirect_uri": {in.app.url + "/bye"}, "state": {"friend"}}.Encode()
	w.open(out)
	w.wantText("Sign out?", "<strong>Acme Web</strong> asks to sign you out here")
	w.look("end-session")
	w.press("button[value=stay]")
	w.wantText("You are signed in")
	w.open(out)
	w.press("button[value=signout]")
	w.wantText("Goodbye, friend")
	w.open("/oauth/device/")
	w.wantText("Sign in")
	w.open(out) // there is nobody to ask any more
	w.wantText("Goodbye, friend")
}

func TestSignOutWithNowhereToGo(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/login/")
	w.signIn(annEmail, password)
	w.withoutScripts()
	w.open("/oauth/logout/")
	w.wantText("An application asks to sign you out here")
	w.enterOn("button[value=signout]")
	w.wantText("You are signed out")
}

// An application that was given an ID token means this person: it need not ask.
func TestApplicationSignsItsOwnPersonOut(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open(in.app.request(webID, nil))
	w.signIn(annEmail, password)
	w.press("button[value=approve]")
	hint, _ := in.redeem(t, webID, in.app.answer(t).Get("code"))["id_token"].(string)
	w.open("/oauth/logout/?" + url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {in.app.url + "/bye"}, "state": {"friend"}}.Encode())
	w.wantText("Goodbye, friend")
	w.open("/")
	w.wantText("Applications send you here to sign in")
}

// RFC 9700 section 4.11
func TestSignOutLeadsNowhereUnregistered(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/login/")
	w.signIn(annEmail, password)
	w.open("/oauth/logout/?" + url.Values{"client_id": {webID}, "post_logout_redirect_uri": {in.app.url + "/elsewhere"}}.Encode())
	w.wantText("post_logout_redirect_uri is not one of its postLogoutRedirectURIs")
	w.look("unregistered-farewell")
	w.forgive("status of 400")
	w.open("/")
	w.wantText("You are signed in")
}
