package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// What the other tests rely on: a page that does everything wrong is seen to.
func TestFaultsOfAPageAreNoticed(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src *; form-action 'self'")
		fmt.Fprintf(w, `<!DOCTYPE html><title>Bad</title><p style="color: #eee">pale</p>
			<img src="%s/pixel" width="2000" height="10"><input><form action="%[1]s/out"><button>Go</button></form>`, elsewhere.URL)
	}))
	t.Cleanup(bad.Close)
	w := openWindow(t, bad.URL, nil)
	w.open("/")
	said := strings.Join(append(w.tooWide(320), w.hardToUse()...), "\n")
	w.do(chromedp.Click(chromedp.CSS("button")))
	for _, want := range []string{
		"elsewhere: " + elsewhere.URL + "/pixel", "style-src-attr blocked", "form-action blocked " + elsewhere.URL + "/out",
	} {
		w.forgive(want)
	}
	for _, want := range []string{
		"wide in a window of 320", "html-has-lang (serious", "image-alt (critical", "label (critical",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("nobody noticed %q:\n%s", want, said)
		}
	}
}
