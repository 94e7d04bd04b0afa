package browser

import (
	"encoding/base32"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-dev/gatehouse/server/factors"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// app is an authenticator app. The clock is the real one: each code that it gives is newer
// than the one before.
type app struct {
	secret factors.Secret
	last   int64
}

// readsKey types the key of the page into an app.
func (w *window) readsKey() *app {
	w.t.Helper()
	typed := strings.ReplaceAll(run(w, chromedp.Evaluate[string](`document.querySelector(".key").textContent`)), " ", "")
	raw, err := base32.StdEncoding.DecodeString(typed)
	if err != nil {
		w.t.Fatal(err)
	}
	leaks.Remember(typed, string(raw))
	secret, ok := factors.ParseSecret(base64.RawURLEncoding.EncodeToString(raw))
	if !ok {
		w.t.Fatal("the key is none")
	}
	return &app{secret: secret}
}

// code is the present code, or the next one that is good and was not given yet.
func (a *app) code(t *testing.T) string {
	t.Helper()
	present := factors.StepAt(time.Now())
	a.last = max(a.last+1, present-1)
	if a.last > present+1 {
		t.Fatal("there is no further code that is good now")
	}
	return a.secret.Code(a.last)
}

// payload is what a JWT says.
func payload(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("it is no JWT")
	}
	said, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

func (w *window) recoveryCodes() []string {
	w.t.Helper()
	codes := strings.Fields(run(w, chromedp.Evaluate[string](`document.querySelector("ol.codes").innerText`)))
	leaks.Remember(codes...)
	if len(codes) != factors.RecoveryCodes {
		w.t.Fatalf("%d recovery codes", len(codes))
	}
	return codes
}

func TestSomebodyAddsAnAppAndSignsInByBoth(t *testing.T) {
	in := install(t)
	w := in.window(t, in.app.url)
	w.open("/account/factors/")
	w.signIn(annEmail, password)
	w.wantText("Second factor", "a stolen password is not enough")
	w.look("factors-none")
	w.press(`main a[href="/account/factors/new/"]`)
	w.wantText("Let your app read this code", "Or type this key")
	w.look("factor-new")
	a := w.readsKey()
	w.fill("#code", "000000")
	w.press("main form button")
	w.wantText("This is not the code that the app shows now")
	w.look("factor-new-refused")
	w.forgive("400")
	w.fill("#code", a.code(t))
	w.press("main form button")
	w.wantText("Your recovery codes", "they are shown only now")
	w.look("recovery-codes")
	codes := w.recoveryCodes()
	w.press(".way a")
	w.wantText("10 are left", "Authenticator app")
	w.look("factors")

	// An application that somebody comes from is reached over both pages.
	phone := in.window(t, in.app.url)
	phone.open(in.app.request(webID, url.Values{"scope": {"openid project:read"}}))
	phone.signIn(annEmail, password)
	phone.wantText("One more step", annEmail, "Acme Web")
	phone.look("second-factor")
	phone.fill("#code", "000000")
	phone.press("main button")
	phone.wantText("This code does not fit", "Acme Web")
	phone.look("second-factor-refused")
	phone.forgive("403")
	phone.fill("#code", a.code(t))
	phone.press("main button")
	phone.press("button[value=approve]")
	token, _ := in.redeem(t, webID, in.app.answer(t).Get("code"))["id_token"].(string)
	if said := payload(t, token); !strings.Contains(said, `"acr":"2","amr":["pwd","otp","mfa"]`) {
		t.Errorf("the ID token says %s", said)
	}

	// The app is lost: a recovery code signs in, and the app is taken off.
	third := in.window(t)
	third.open("/account/factors/")
	third.signIn(annEmail, password)
	third.fill("#code", strings.ToLower(codes[0]))
	third.press("main button")
	third.wantText("9 are left")
	third.press("button[value=remove]")
	third.wantText("It is removed", "Sign out everywhere else")
	third.look("factors-removed")
}

// Without scripts and by the keyboard alone.
func TestASecondFactorNeedsNoScriptAndNoMouse(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.withoutScripts()
	w.open("/account/factors/new/")
	w.typeInto("#email", annEmail)
	w.typeInto("#password", password)
	w.enterOn("main form button")
	a := w.readsKey()
	w.typeInto("#code", a.code(t))
	w.enterOn("main form button")
	w.wantText("Your recovery codes")
	codes := w.recoveryCodes()
	w.enterOn(".way a")
	w.wantText("10 are left")

	other := in.window(t)
	other.withoutScripts()
	other.open("/login/")
	other.typeInto("#email", annEmail)
	other.typeInto("#password", password)
	other.enterOn("main form button")
	other.focused("#code")
	call(other, input.InsertText, input.InsertTextParams{Text: a.code(t)})
	other.tab("main button")
	other.enter()
	other.wantText("You are signed in")
	other.open("/account/factors/")
	other.enterOn("button[value=codes]")
	other.wantText("Your recovery codes")
	if fresh := other.recoveryCodes(); slices.Contains(fresh, codes[0]) {
		t.Error("new recovery codes are the old ones")
	}
	other.open("/account/factors/")
	other.enterOn("button[value=remove]")
	other.wantText("It is removed")
}
