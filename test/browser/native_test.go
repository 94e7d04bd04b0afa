package browser

import (
	"net"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// RFC 8252 section 7.3: the system gives a program any port, on any of these. The page's
// policy has to let its form lead there.
func TestProgramOnTheDeviceListensOnAnyPortOfLoopback(t *testing.T) {
	for host, address := range map[string]string{"127.0.0.1": "127.0.0.1:0", "localhost": "127.0.0.1:0", "[::1]": "[::1]:0"} {
		t.Run(host, func(t *testing.T) {
			in := install(t)
			listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
			if err != nil {
				t.Skipf("this machine has no such address: %v", err)
			}
			program := httptest.NewUnstartedServer(in.app.mux)
			program.Listener = listener
			program.Start()
			t.Cleanup(program.Close)
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			at := "http://" + host + ":" + port
			w := in.window(t, at)
			w.open(in.app.request(notesID, url.Values{"redirect_uri": {at + "/callback"}}))
			w.signIn(annEmail, password)
			w.wantText("Acme Notes", "a program on this device")
			w.press("button[value=approve]")
			w.wantText("You are back at Acme")
			if answer := in.app.answer(t); answer.Get("code") == "" {
				t.Errorf("the program was told %v", answer)
			}
		})
	}
}

// RFC 8252 section 7.1: the browser hands the answer to the program that took the scheme.
// This machine has none, but it must not be the page's policy that keeps the browser from
// trying.
func TestProgramOnTheDeviceIsReachedByItsScheme(t *testing.T) {
	in := install(t)
	w := in.window(t, notesScheme+":")
	w.open(in.app.request(notesID, url.Values{"redirect_uri": {notesScheme + ":/callback"}}))
	w.signIn(annEmail, password)
	w.wantText("Acme Notes", "a program on this device")
	w.look("consent-native")
	// Either way the page stays, for there is no program.
	run(w, chromedp.WaitEvent(network.LoadingFailed, func(network.EventLoadingFailed) bool { return true },
		chromedp.Click(chromedp.CSS("button[value=approve]"))))
	w.wantText("Acme Notes")
	answer, err := url.Parse(w.requested(notesScheme + ":"))
	if err != nil || answer.Path != "/callback" || answer.Query().Get("code") == "" {
		t.Fatalf("the browser did not hand on the answer: %s, %v", answer, err)
	}
	leaks.Remember(answer.Query().Get("code"))
}
