package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// window is one Chromium with a profile of its own. At the end of the test it reports
// what it loaded from elsewhere and what it complained about.
type window struct {
	context.Context
	t  *testing.T
	in *installation

	mu     sync.Mutex
	faults []string
}

func (in *installation) window(t *testing.T) *window {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is missing: install the Debian package with `apt-get install chromium`")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	w := &window{Context: ctx, t: t, in: in}
	if err := chromedp.Listen(ctx, w.watch); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	call(w, network.Enable, network.EnableParams{})
	call(w, log.Enable, cdp.Empty{})
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, fault := range w.faults {
			t.Error(fault)
		}
	})
	return w
}

func (w *window) watch(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, w.in.url+"/") && !strings.HasPrefix(u, "about:") {
			w.faults = append(w.faults, "a request went elsewhere: "+u)
		}
	case *log.EventEntryAdded:
		w.faults = append(w.faults, fmt.Sprintf("the browser complains: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *runtime.EventExceptionThrown:
		w.faults = append(w.faults, "a script failed: "+e.ExceptionDetails.Text)
	}
}

// forgive forgets complaints about answers that the test means to provoke.
func (w *window) forgive(status string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kept []string
	for _, fault := range w.faults {
		if !strings.Contains(fault, "responded with a status of "+status) {
			kept = append(kept, fault)
		}
	}
	w.faults = kept
}

func (w *window) do(actions ...step) {
	w.t.Helper()
	if err := chromedp.Do(w.Context, actions...); err != nil {
		w.t.Fatal(err)
	}
}

type step = chromedp.Action[chromedp.Void]

// call sends one command of the DevTools protocol.
func call[P, R any](w *window, command cdp.Command[P, R], params P) R {
	w.t.Helper()
	result, err := chromedp.Call(w.Context, command, params)
	if err != nil {
		w.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// open loads a page of the installation.
func (w *window) open(path string) {
	w.t.Helper()
	w.do(chromedp.Navigate(w.in.url + path))
}

// press submits a form by the button and waits until the next page is there.
func (w *window) press(button string) {
	w.t.Helper()
	w.next(chromedp.Click(chromedp.CSS(button)))
}

func (w *window) next(action step) {
	w.t.Helper()
	if _, err := chromedp.RunResponse(w.Context, action); err != nil {
		w.t.Fatal(err)
	}
}

// fill types into a field.
func (w *window) fill(field, text string) {
	w.t.Helper()
	w.do(chromedp.SendKeys(chromedp.CSS(field), text))
}

func (w *window) signIn(email, password string) {
	w.t.Helper()
	w.fill("#email", email)
	w.fill("#password", password)
	w.press("main button")
}

// wantText reports whether the page says it.
func (w *window) wantText(text string) {
	w.t.Helper()
	html, err := chromedp.Run(w.Context, chromedp.OuterHTML(chromedp.CSS("html")))
	if err != nil {
		w.t.Fatal(err)
	}
	if !strings.Contains(html, text) {
		w.t.Errorf("the page does not say %q:\n%s", text, html)
	}
}

// looks are how pages are looked at.
var looks = []struct {
	scheme string
	width  int64
}{{"light", 320}, {"dark", 320}, {"light", 1280}, {"dark", 1280}}

// picture takes pictures of the page in every look, and checks that none is wider than
// its window.
func (w *window) picture(name string) {
	w.t.Helper()
	dir := os.Getenv("GATEHOUSE_SCREENSHOTS")
	if dir == "" {
		dir = w.t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	for _, look := range looks {
		call(w, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: look.width, Height: 760, DeviceScaleFactor: 1})
		call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		wide := int64(call(w, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize.Width)
		png, err := chromedp.Run(w.Context, chromedp.FullScreenshot(100))
		if err != nil {
			w.t.Fatal(err)
		}
		if wide > look.width {
			w.t.Errorf("%s is %d wide in a window of %d", name, wide, look.width)
		}
		file := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.png", name, look.scheme, look.width))
		if err := os.WriteFile(file, png, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestPersonSignsInAndApprovesADevice(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/?user_code=" + code.String())
	w.wantText("Sign in")
	w.picture("login")
	w.signIn(annEmail, password)
	w.wantText(code.String())
	w.wantText("Acme Rockets")
	w.picture("device")
	w.press("button[value=approve]")
	w.wantText("You can now close this tab.")
	w.picture("approved")
	in.wantState(t, code, "approved")
	w.press("footer button")
	w.wantText("You are signed out")
	w.picture("signed-out")
}

// The keyboard alone, from the first field to the end, with nothing but Tab and Enter.
func TestKeyboardAloneSuffices(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/")
	w.do(chromedp.KeyEvent(annEmail), chromedp.KeyEvent("\t"), chromedp.KeyEvent(password))
	w.next(chromedp.KeyEvent("\r"))
	w.wantText("Enter the code")
	w.picture("code")
	w.do(chromedp.KeyEvent(strings.ToLower(code.String())))
	w.next(chromedp.KeyEvent("\r"))
	w.wantText("Connect this device?")
	w.do(chromedp.KeyEvent("\t"))
	w.picture("device-focus")
	w.do(chromedp.KeyEvent("\t"))
	w.next(chromedp.KeyEvent("\r"))
	w.wantText("Request denied")
	w.picture("denied")
	in.wantState(t, code, "denied")
}

func TestPagesWorkWithoutJavaScript(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.open("/oauth/device/?user_code=" + code.String())
	w.typeInto("#email", annEmail)
	w.typeInto("#password", password)
	w.enter()
	w.wantText("Connect this device?")
	w.do(chromedp.Focus(chromedp.CSS("button[value=approve]")))
	w.enter()
	w.wantText("You can now close this tab.")
	in.wantState(t, code, "approved")
}

// typeInto focuses an element and types: a click and its keys need a script to find the
// place.
func (w *window) typeInto(selector, text string) {
	w.t.Helper()
	w.do(chromedp.Focus(chromedp.CSS(selector)))
	call(w, input.InsertText, input.InsertTextParams{Text: text})
}

func (w *window) enter() {
	w.t.Helper()
	w.next(chromedp.KeyEvent("\r"))
}

func TestProblemsAreSaidPlainly(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/login/")
	w.signIn(annEmail, "wrong password")
	w.wantText("do not match")
	w.picture("login-refused")
	w.forgive("403")
	w.fill("#password", password)
	w.press("main button")
	w.wantText("You are signed in")
	w.picture("home-signed-in")
	w.open("/oauth/device/?user_code=BCDF-GHJK")
	w.wantText("Invalid or expired code")
	w.picture("code-refused")
	w.forgive("400")
	w.open("/logout/")
	w.wantText("Sign out?")
	w.picture("sign-out")
}

func TestSomebodyWithoutARoleCanOnlyDeny(t *testing.T) {
	in := install(t)
	code := in.ask(t)
	w := in.window(t)
	w.open("/oauth/device/?" + url.Values{"user_code": {code.String()}}.Encode())
	w.signIn(bobEmail, password)
	w.wantText("You are not a member of Acme Rockets")
	w.picture("device-obstacle")
	w.press("button[value=deny]")
	w.wantText("Request denied")
	in.wantState(t, code, "denied")
}

func TestEverythingElseLooksRightToo(t *testing.T) {
	in := install(t)
	w := in.window(t)
	w.open("/")
	w.wantText("Gatehouse")
	w.picture("home")
	in.local = nil
	in.publish(t)
	w.open("/login/")
	w.wantText("AuthProvider")
	w.picture("no-provider")
	w.forgive("503")
}
