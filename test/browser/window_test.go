package browser

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// window is one Chromium with a profile of its own. At the end of the test it reports
// what it loaded from elsewhere and what it complained about.
type window struct {
	context.Context
	t    *testing.T
	home string // what paths are paths of

	mu     sync.Mutex
	own    []string // origins that may be visited
	asked  []string // URLs that were requested
	faults []string
	noted  chan struct{} // has room for one: there are more faults than before
}

// window opens one on the installation; it may visit the other origins too.
func (in *installation) window(t *testing.T, others ...string) *window {
	t.Helper()
	w := openWindow(t, in.url, others)
	w.reportAtEnd()
	return w
}

func (w *window) reportAtEnd() {
	w.t.Cleanup(func() {
		for _, fault := range w.complaints() {
			w.t.Error(fault)
		}
	})
}

func openWindow(t *testing.T, home string, others []string, more ...chromedp.ExecAllocatorOption) *window {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("Chromium is missing: install it with `make programs`")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true),
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(options, more...)...)
	t.Cleanup(cancel)
	return attach(t, ctx, home, others)
}

// attach takes part in one tab, a new one if the options name none.
func attach(t *testing.T, ctx context.Context, home string, others []string, options ...chromedp.ContextOption) *window {
	t.Helper()
	ctx, cancel := chromedp.NewContext(ctx, options...)
	t.Cleanup(cancel)
	w := &window{Context: ctx, t: t, home: home, own: append(others, home), noted: make(chan struct{}, 1)}
	if err := chromedp.Listen(ctx, w.watch); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	call(w, network.Enable, network.EnableParams{})
	call(w, log.Enable, cdp.Empty{})
	call(w, audits.Enable, cdp.Empty{})
	call(w, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	return w
}

// watch collects every request to elsewhere, and whatever ends up in the console or among
// the issues: refused content (the page's policy), refused reads (CORS), failed scripts.
func (w *window) watch(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e, ok := event.(*network.EventRequestWillBeSent); ok {
		w.asked = append(w.asked, e.Request.URL)
	}
	fault := w.fault(event)
	if fault == "" {
		return
	}
	w.faults = append(w.faults, fault)
	select {
	case w.noted <- struct{}{}:
	default:
	}
}

// fault says what is wrong about an event; empty: nothing.
func (w *window) fault(event any) string {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !local(u) && !w.owns(u) {
			return "a request went elsewhere: " + u
		}
	case *log.EventEntryAdded:
		return fmt.Sprintf("the browser complains: %s %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *audits.EventIssueAdded:
		policy := e.Issue.Details.ContentSecurityPolicyIssueDetails
		switch {
		case e.Issue.Code == audits.InspectorIssueCodeBounceTrackingIssue: // a guess: redirects are what sign-in is made of
		case policy != nil:
			return fmt.Sprintf("the page's policy is broken: %s blocked %s", policy.ViolatedDirective, policy.BlockedURL)
		default:
			return fmt.Sprintf("the browser has an issue: %s", e.Issue.Code)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			return "a script complains: " + said(e.Args)
		}
	case *runtime.EventExceptionThrown:
		return "a script failed: " + e.ExceptionDetails.Text
	}
	return ""
}

// owns reports whether the URL is of an origin, or has a scheme, that may be visited.
func (w *window) owns(u string) bool {
	return slices.ContainsFunc(w.own, func(o string) bool { return strings.HasPrefix(u, o+"/") })
}

// local URLs need no network; the browser's own pages are made of them.
func local(u string) bool { return strings.HasPrefix(u, "about:") || strings.HasPrefix(u, "data:") }

func said(args []*runtime.RemoteObject) string {
	var words []string
	for _, arg := range args {
		words = append(words, string(arg.Value)+arg.Description)
	}
	return strings.Join(words, " ")
}

// requested returns the first URL that begins like this; empty: there was no such request.
func (w *window) requested(prefix string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.asked {
		if strings.HasPrefix(u, prefix) {
			return u
		}
	}
	return ""
}

// complaints are what was collected so far.
func (w *window) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.faults)
}

// forgive forgets complaints about answers that the test means to provoke. It waits for
// one: some come after the page.
func (w *window) forgive(words string) {
	w.t.Helper()
	about := func(fault string) bool { return strings.Contains(fault, words) }
	for !slices.ContainsFunc(w.complaints(), about) {
		select {
		case <-w.noted:
		case <-w.Done():
			w.t.Fatalf("the browser did not complain about %s", words)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = slices.DeleteFunc(w.faults, about)
}

// opened is the tab that the step opens.
func (w *window) opened(by step) *window {
	w.t.Helper()
	id := chromedp.WaitNewTarget(w.Context, func(i *target.Info) bool { return i.OpenerID != "" })
	w.do(by)
	tab := attach(w.t, w.Context, w.home, w.own, chromedp.WithTargetID(<-id))
	tab.reportAtEnd()
	return tab
}

func (w *window) do(actions ...step) {
	w.t.Helper()
	for _, a := range actions {
		run(w, a)
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

// run runs an action and returns what it finds.
func run[T any](w *window, action chromedp.Action[T]) T {
	w.t.Helper()
	found, err := chromedp.Run(w.Context, action)
	// Right after a page has loaded, what is asked of it may be asked of the one before,
	// which is gone: nothing was done then.
	for range 100 {
		if err == nil || !strings.Contains(err.Error(), "Cannot find context with specified id") {
			break
		}
		time.Sleep(20 * time.Millisecond)
		found, err = chromedp.Run(w.Context, action)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// open loads a page of the installation, or of another origin.
func (w *window) open(address string) {
	w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.home + address
	}
	w.do(chromedp.Navigate(address))
}

// press submits a form by the button and waits until the next page is there.
func (w *window) press(button string) {
	w.t.Helper()
	w.next(chromedp.Click(chromedp.CSS(button)))
}

func (w *window) next(action step) {
	w.t.Helper()
	if _, err := chromedp.RunResponse(w.Context, action); err != nil {
		w.t.Fatalf("no next page: %v", err)
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

// With the keyboard

// focused waits until the element has the focus, which an autofocus gets only some time
// after the page is there.
func (w *window) focused(selector string) {
	w.t.Helper()
	w.do(chromedp.Poll[chromedp.Void](fmt.Sprintf("document.activeElement.matches(%q)", selector), chromedp.WithPollingInterval(20*time.Millisecond)))
}

// tab presses Tab until the element has the focus.
func (w *window) tab(selector string) {
	w.t.Helper()
	for range 12 {
		w.do(chromedp.KeyEvent("\t"))
		if run(w, chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
			return
		}
	}
	w.t.Fatalf("Tab does not lead to %s", selector)
}

func (w *window) enter() {
	w.t.Helper()
	w.next(chromedp.KeyEvent("\r"))
}

// Without JavaScript

func (w *window) withoutScripts() {
	w.t.Helper()
	call(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// typeInto focuses an element and types: a click and its keys need a script to find the
// place.
func (w *window) typeInto(selector, text string) {
	w.t.Helper()
	w.do(chromedp.Focus(chromedp.CSS(selector)))
	call(w, input.InsertText, input.InsertTextParams{Text: text})
}

func (w *window) enterOn(selector string) {
	w.t.Helper()
	w.do(chromedp.Focus(chromedp.CSS(selector)))
	w.enter()
}

// What the page says

// wantText reports whether the page says it.
func (w *window) wantText(texts ...string) {
	w.t.Helper()
	html := run(w, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	for _, text := range texts {
		if !strings.Contains(html, text) {
			w.t.Errorf("the page does not say %q:\n%s", text, html)
		}
	}
}
