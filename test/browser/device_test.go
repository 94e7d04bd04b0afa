package browser

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPersonSignsInAndApprovesADevice(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/?user_code=" + code.String())
	w.wantText("Sign in")
	w.look("login")
	w.signIn(annEmail, password)
	w.wantText(code.String())
	w.wantText("Acme Rockets")
	w.look("device")
	w.press("button[value=approve]")
	w.wantText("You can now close this tab.")
	w.look("approved")
	in.wantState(t, code, "approved")
	w.press("footer button")
	w.wantText("You are signed out")
	w.look("signed-out")
}

// The keyboard alone, from the first field to the end, with nothing but Tab and Enter.
func TestKeyboardAloneSuffices(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/")
	w.focused("#email")
	w.do(chromedp.KeyEvent(annEmail), chromedp.KeyEvent("\t"), chromedp.KeyEvent(password))
	w.enter()
	w.wantText("Enter the code")
	w.look("code")
	w.focused("#user_code")
	w.do(chromedp.KeyEvent(strings.ToLower(code.String())))
	w.enter()
	w.wantText("Connect this device?")
	w.tab("button[value=approve]")
	w.look("device-focus")
	w.tab("button[value=deny]")
	w.enter()
	w.wantText("Request denied")
	w.look("denied")
	in.wantState(t, code, "denied")
}

func TestPagesWorkWithoutJavaScript(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.withoutScripts()
	w.open("/oauth/device/?user_code=" + code.String())
	w.typeInto("#email", annEmail)
	w.typeInto("#password", password)
	w.enter()
	w.wantText("Connect this device?")
	w.enterOn("button[value=approve]")
	w.wantText("You can now close this tab.")
	in.wantState(t, code, "approved")
}

func TestProblemsAreSaidPlainly(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/login/")
	w.signIn(annEmail, "wrong password")
	w.wantText("do not match")
	w.look("login-refused")
	w.forgive("status of 403")
	w.fill("#password", password)
	w.press("main button")
	w.wantText("You are signed in")
	w.look("home-signed-in")
	w.open("/oauth/device/?user_code=BCDF-GHJK")
	w.wantText("Invalid or expired code")
	w.look("code-refused")
	w.forgive("status of 400")
	w.open("/logout/")
	w.wantText("Sign out?")
	w.look("sign-out")
}

func TestSomebodyWithoutARoleCanOnlyDeny(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/?" + url.Values{"user_code": {code.String()}}.Encode())
	w.signIn(bobEmail, password)
	w.wantText("You are not a member of Acme Rockets")
	w.look("device-obstacle")
	w.press("button[value=deny]")
	w.wantText("Request denied")
	in.wantState(t, code, "denied")
}

func TestEverythingElseLooksRightToo(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/")
	w.wantText("Gatehouse")
	w.look("home")
	in.local = nil
	in.publish(t)
	w.open("/login/")
	w.wantText("AuthProvider")
	w.look("no-provider")
	w.forgive("status of 503")
}
