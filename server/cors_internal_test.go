package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// RFC 9700 section 2.6 (B-2.6d): else an application in a browser could not tell that its
// token has ended from a network that is down.
func TestAScriptReadsThatItsTokenHasEnded(t *testing.T) {
	w := newTown(t)
	w.app.AccessTokenTTL = 10 * time.Minute
	w.app.AllowedOrigins = []string{"https://app.example"}
	w.org.Tokens = model.TokenCeilings{AccessToken: time.Hour, RefreshIdle: time.Hour, RefreshAbsolute: time.Hour}
	w.publish(t)
	asked := w.client(t, "/oauth/device/code/", url.Values{})
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/oauth/device/?user_code="+asked["user_code"]), "/oauth/device/")
	form.Set("decision", "approve")
	b.post("/oauth/device/", form)
	token := w.client(t, "/oauth/token/", url.Values{"grant_type": {string(oauth.DeviceCode)}, "device_code": {asked["device_code"]}})["access_token"]

	reads := func(token, origin string) (readable string, err error) {
		raw := httptest.NewRequest(http.MethodGet, "/oauth/userinfo", nil)
		raw.Header.Set("Authorization", "Bearer "+token)
		if origin != "" {
			raw.Header.Set("Origin", origin)
		}
		r := &request{Request: raw, World: w.world.Load(), now: w.Now()}
		_, err = w.bearer(r)
		h := http.Header{}
		r.letRead(h)
		return h.Get("Access-Control-Allow-Origin"), err
	}
	if got, err := reads(token, "https://app.example"); err != nil || got != "https://app.example" {
		t.Fatalf("a good token: readable by %q, %v", got, err)
	}
	w.pass(10 * time.Minute)
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": "", "": ""} {
		if got, err := reads(token, origin); err == nil || got != want {
			t.Errorf("a token that has ended, from %q: readable by %q (%v), want %q", origin, got, err, want)
		}
	}
	if got, err := reads(token[:len(token)-1]+"0", "https://app.example"); err == nil || got != "" {
		t.Errorf("a forged token: readable by %q (%v)", got, err)
	}
	w.app.Suspended = true
	w.publish(t)
	if got, err := reads(token, "https://app.example"); err == nil || got != "" {
		t.Errorf("the application is suspended: readable by %q (%v)", got, err)
	}
}
