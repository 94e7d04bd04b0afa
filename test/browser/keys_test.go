package browser

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator is one of Chromium's own, in the window that it is plugged into.
type authenticator struct {
	w  *window
	id webauthn.AuthenticatorID
}

// plug plugs one in. It keeps passkeys and asks who it is if it verifies; else it is a key
// without a PIN.
func (w *window) plug(verifies bool) *authenticator {
	w.t.Helper()
	return w.plugIn(webauthn.VirtualAuthenticatorOptions{HasResidentKey: verifies, HasUserVerification: verifies, IsUserVerified: verifies})
}

func (w *window) plugIn(o webauthn.VirtualAuthenticatorOptions) *authenticator {
	w.t.Helper()
	o.Protocol, o.Ctap2version, o.Transport = webauthn.AuthenticatorProtocolCtap2, webauthn.Ctap2versionCtap21, webauthn.AuthenticatorTransportUsb
	o.AutomaticPresenceSimulation = true
	call(w, webauthn.Enable, webauthn.EnableParams{})
	added := call(w, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &o})
	return &authenticator{w, added.AuthenticatorID}
}

// credential is the one that it has.
func (a *authenticator) credential() *webauthn.Credential {
	a.w.t.Helper()
	all := call(a.w, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
	if len(all) != 1 {
		a.w.t.Fatalf("the authenticator has %d credentials", len(all))
	}
	return all[0]
}

func (a *authenticator) take(c *webauthn.Credential) {
	a.w.t.Helper()
	call(a.w, webauthn.AddCredential, webauthn.AddCredentialParams{AuthenticatorID: a.id, Credential: c})
}

const (
	passkeyForm = `form[action="/login/passkey/"]`
	keyForm     = `form[action="/login/key/"]`
	newKeyForm  = `form[action="/account/factors/key/"]`
)

func (w *window) addsKey(name string) []string {
	w.t.Helper()
	w.open("/account/factors/key/")
	w.do(chromedp.SetValue(chromedp.CSS("#name"), name))
	w.press(newKeyForm + " button")
	return w.recoveryCodes()
}

// wantSession reports whether somebody is signed in, by the methods.
func (in *installation) wantMethods(t *testing.T, methods string) {
	t.Helper()
	u, err := in.store.UserByEmail(t.Context(), annEmail)
	if err != nil {
		t.Fatal(err)
	}
	all, err := in.store.SessionsOf(t.Context(), u.ID)
	if err != nil || len(all) == 0 {
		t.Fatalf("%d sessions, %v", len(all), err)
	}
	newest := all[0]
	for _, s := range all {
		if s.CreatedAt.After(newest.CreatedAt) {
			newest = s
		}
	}
	if got := strings.Join(newest.AMR, " "); got != methods {
		t.Errorf("signed in by %q, want %q", got, methods)
	}
}

func TestSomebodyAddsAPasskeyAndSignsInByItAlone(t *testing.T) {
	in := installAs(t, "localhost")
	w := in.window(t, in.app.url)
	a := w.plug(true)
	w.open("/login/")
	w.look("login-passkey")
	w.signIn(annEmail, password)
	w.open("/account/factors/")
	w.wantText("Add a security key or passkey", "Add an authenticator app")
	w.look("factors-none-named")
	w.press(`main a[href="/account/factors/key/"]`)
	w.look("key-new")
	w.addsKey("Blue key")
	w.press(".way a")
	w.wantText("Blue key", "signs you in without the password", "10 are left")
	w.look("factors-key")

	// The same authenticator is not asked for a second one.
	w.open("/account/factors/key/")
	w.do(chromedp.Click(chromedp.CSS(newKeyForm+" button")), chromedp.WaitVisible(chromedp.CSS(newKeyForm+` [data-when="known"]`)))
	w.wantText("You have added this one already")
	w.look("key-known")

	// Alone, to where an application sends: with nothing typed.
	w.open("/logout/")
	w.press("main button")
	w.open(in.app.request(webID, url.Values{"scope": {"openid project:read"}}))
	w.press(passkeyForm + " button")
	w.press("button[value=approve]")
	token, _ := in.redeem(t, webID, in.app.answer(t).Get("code"))["id_token"].(string)
	if said := payload(t, token); !strings.Contains(said, `"acr":"2","amr":["hwk","user","mfa"]`) {
		t.Errorf("the ID token says %s", said)
	}

	// One that does not say who was there is refused, and one that is forged.
	w.open("/logout/")
	w.press("main button")
	yes, no := true, false
	call(w, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id, IsBadUV: &yes})
	w.open("/login/")
	w.press(passkeyForm + " button")
	w.wantText("That did not work")
	w.look("passkey-refused")
	w.forgive("403")
	call(w, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id, IsBadUV: &no, IsBogusSignature: &yes})
	w.press(passkeyForm + " button")
	w.wantText("That did not work")
	w.forgive("403")
	call(w, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: a.id, IsBadUV: &no, IsBogusSignature: &no})
	w.press(passkeyForm + " button")
	w.wantText("You are signed in")
	in.wantMethods(t, "hwk user mfa")

	// Somebody who cancels, or has none here, is told.
	other := in.window(t)
	other.plug(true)
	other.open("/login/")
	other.do(chromedp.Click(chromedp.CSS(passkeyForm+" button")), chromedp.WaitVisible(chromedp.CSS(passkeyForm+` [data-when="failed"]`)))
	other.wantText("Nothing came of it")
	other.look("passkey-none")
}

func TestAKeyWithoutAPINIsASecondFactor(t *testing.T) {
	in := installAs(t, "localhost")
	w := in.window(t)
	w.plug(false)
	w.open("/login/")
	w.signIn(annEmail, password)
	codes := w.addsKey("Old key")
	in.wantMethods(t, "pwd hwk mfa")
	w.open("/logout/")
	w.press("main button")
	w.open("/login/")
	w.signIn(annEmail, password)
	w.wantText("Use your security key or passkey", "Recovery code")
	w.look("second-key")
	w.press(keyForm + " button")
	w.wantText("You are signed in")
	in.wantMethods(t, "pwd hwk mfa")
	w.open("/account/factors/")
	w.wantText("Security key")

	// Without it, and without scripts, there are the recovery codes.
	other := in.window(t)
	other.withoutScripts()
	other.open("/login/")
	other.typeInto("#email", annEmail)
	other.typeInto("#password", password)
	other.enterOn("main form button")
	for _, selector := range []string{keyForm, passkeyForm} {
		if run(other, chromedp.Evaluate[bool](`[...document.querySelectorAll('`+selector+`')].some((f) => f.checkVisibility())`)) {
			t.Errorf("%s is shown without scripts", selector)
		}
	}
	other.typeInto("#code", codes[0])
	other.enterOn(`form[action="/login/code/"] button`)
	other.wantText("You are signed in")
	other.open("/account/factors/key/")
	other.wantText("scripts are switched off")
}

// The same credential in two authenticators: whoever comes second, with the older counter, is
// refused, and the owner is told.
func TestACopiedKeyIsRefusedInTheBrowser(t *testing.T) {
	in := installAs(t, "localhost")
	w := in.window(t)
	a := w.plug(true)
	w.open("/login/")
	w.signIn(annEmail, password)
	codes := w.addsKey("Blue key")
	copied := a.credential()
	w.open("/logout/")
	w.press("main button")
	w.open("/login/")
	w.press(passkeyForm + " button")
	w.wantText("You are signed in")

	thief := in.window(t)
	thief.plugIn(webauthn.VirtualAuthenticatorOptions{
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, HasCmtgKey: true, // else it takes none of another
	}).take(copied)
	thief.open("/login/")
	thief.press(passkeyForm + " button")
	thief.wantText("That did not work")
	thief.forgive("403")
	thief.open("/account/")
	thief.wantText("Sign in")

	w.open("/account/factors/")
	w.wantText("somebody may have copied it")
	w.look("factors-blocked")
	w.open("/account/activity/")
	w.wantText("A key was refused and blocked")
	w.look("activity-blocked")
	w.open("/logout/")
	w.press("main button")
	w.open("/login/")
	w.press(passkeyForm + " button") // neither is known to be the owner's
	w.wantText("That did not work")
	w.forgive("403")
	w.signIn(annEmail, password)
	w.wantText("One more step")
	w.fill("#code", codes[0])
	w.press(`form[action="/login/code/"] button`)
	w.wantText("You are signed in")
}

func TestARemovedKeyIsRefusedInTheBrowser(t *testing.T) {
	in := installAs(t, "localhost")
	w := in.window(t)
	w.plug(true)
	w.open("/login/")
	w.signIn(annEmail, password)
	w.addsKey("Blue key")
	w.open("/account/factors/")
	w.press("button[value=remove]")
	w.wantText("It is removed")
	w.open("/logout/")
	w.press("main button")
	w.open("/login/")
	w.press(passkeyForm + " button")
	w.wantText("That did not work")
	w.forgive("403")
	u, err := in.store.UserByEmail(t.Context(), annEmail)
	if err != nil {
		t.Fatal(err)
	}
	events, err := in.store.Events(t.Context(), 1)
	if err != nil || events[0].Reason != "unknown passkey" || u.SecondFactor {
		t.Errorf("recorded as %+v, %v", events, err)
	}
}

// By the keyboard alone, from the first page to the last.
func TestKeysNeedNoMouse(t *testing.T) {
	in := installAs(t, "localhost")
	w := in.window(t)
	w.plug(true)
	w.open("/account/factors/key/")
	w.focused("#email")
	w.do(chromedp.KeyEvent(annEmail))
	w.tab("#password")
	w.do(chromedp.KeyEvent(password))
	w.enter()
	w.tab("#name")
	w.tab("#others")
	w.tab(newKeyForm + " button")
	w.enter()
	w.wantText("Your recovery codes")
	w.recoveryCodes()
	w.open("/logout/")
	w.enterOn("main button")
	w.open("/login/")
	w.focused("#email")
	w.tab(passkeyForm + " button")
	w.enter()
	w.wantText("You are signed in")
}

// The page at an address offers nothing that could not work, and says why.
func TestAtAnAddressKeysAreNotOffered(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.plug(true)
	w.open("/account/factors/key/")
	if run(w, chromedp.Evaluate[bool](`document.querySelector("[data-webauthn], script") !== null`)) {
		t.Error("the page of the sign-in offers a key")
	}
	w.signIn(annEmail, password)
	w.wantText("at the address <strong>127.0.0.1</strong>")
	w.look("key-address")
	w.open("/account/factors/")
	w.wantText("Security keys and passkeys cannot be used here")
}
