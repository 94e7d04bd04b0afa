package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// looks are how pages are looked at.
var looks = []struct {
	scheme string
	width  int64
}{{"light", 320}, {"dark", 320}, {"light", 1280}, {"dark", 1280}}

// look takes pictures of the page in every look, and checks that none is wider than its
// window and that axe-core finds nothing to improve in it.
func (w *window) look(name string) {
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
		at := fmt.Sprintf("%s-%s-%d", name, look.scheme, look.width)
		for _, fault := range append(w.tooWide(look.width), w.hardToUse()...) {
			w.t.Errorf("%s: %s", at, fault)
		}
		if err := os.WriteFile(filepath.Join(dir, at+".png"), run(w, chromedp.FullScreenshot(100)), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
}

// tooWide says whether one has to scroll sideways.
func (w *window) tooWide(width int64) []string {
	w.t.Helper()
	wide := int64(call(w, page.GetLayoutMetrics, cdp.Empty{}).CSSContentSize.Width)
	if wide <= width {
		return nil
	}
	return []string{fmt.Sprintf("%d wide in a window of %d", wide, width)}
}

// hardToUse is what axe-core finds on the page: what keeps people out who see, hear or
// move in other ways. axe-core is put into the page from outside; pages allow no script.
func (w *window) hardToUse() (faults []string) {
	w.t.Helper()
	if run(w, chromedp.Evaluate[bool](`typeof axe === "undefined"`)) {
		w.do(chromedp.Evaluate[chromedp.Void](string(module(w, "axe-core/axe.min.js"))))
	}
	var found struct {
		Violations []struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML, FailureSummary string }
		}
		Passes []struct{ ID string }
	}
	// preload is for style sheets of elsewhere, which there are none of.
	report := run(w, chromedp.Evaluate[[]byte](`axe.run({preload: false})`, chromedp.EvalAwaitPromise))
	if err := json.Unmarshal(report, &found); err != nil {
		w.t.Fatalf("read what axe-core found: %v", err)
	}
	if len(found.Passes) == 0 {
		w.t.Fatal("axe-core has looked at nothing")
	}
	for _, v := range found.Violations {
		for _, n := range v.Nodes {
			faults = append(faults, fmt.Sprintf("%s (%s, %s): %s: %s", v.ID, v.Impact, v.Help, n.HTML, n.FailureSummary))
		}
	}
	return faults
}

// modules is where the npm packages of the tests are.
var modules = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("../../hack/need-npm.sh", "npm").Output()
	return strings.TrimSpace(string(out)), err
})

// module is a file of an npm package.
func module(w *window, path string) []byte {
	w.t.Helper()
	dir, err := modules()
	if err != nil {
		w.t.Fatalf("the npm packages of the tests are missing: install them with `make programs`: %v", err)
	}
	content, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		w.t.Fatal(err)
	}
	return content
}
