package server

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// ASVS 7.1.3: a device is not the browser that approved it; signing out there leaves it be.
func TestDevicesStaySignedInWhenTheBrowserSignsOut(t *testing.T) {
	w := newTown(t)
	w.app.GrantTypes = []oauth.GrantType{oauth.DeviceCode, oauth.RefreshToken}
	w.app.AccessTokenTTL = time.Hour
	w.org.Tokens = model.TokenCeilings{AccessToken: time.Hour, RefreshIdle: time.Hour, RefreshAbsolute: time.Hour}
	w.publish(t)
	asked := w.client(t, "/oauth/device/code/", url.Values{})
	b := w.signedIn(t, "ann@example.com")
	form := fields(t, b.get("/oauth/device/?user_code="+asked["user_code"]), "/oauth/device/")
	form.Set("decision", "approve")
	wantTo(t, "the approval", b.post("/oauth/device/", form), "/oauth/device/?result=approved")
	got := w.client(t, "/oauth/token/", url.Values{"grant_type": {string(oauth.DeviceCode)}, "device_code": {asked["device_code"]}})
	wantTo(t, "sign-out", b.post("/logout/", fields(t, b.get("/logout/"), "/logout/")), "/logout/")
	w.client(t, "/oauth/token/", url.Values{"grant_type": {string(oauth.RefreshToken)}, "refresh_token": {got["refresh_token"]}})
}

// client posts as the device application and returns the texts of the answer.
func (w *town) client(t *testing.T, path string, form url.Values) map[string]string {
	t.Helper()
	form.Set("client_id", w.app.ClientID)
	answer := w.open().post(path, form)
	var all map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &all); err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
	texts := map[string]string{}
	for name, value := range all {
		texts[name], _ = value.(string)
	}
	for _, secret := range []string{"device_code", "user_code", "access_token", "refresh_token"} {
		leaks.Remember(texts[secret])
	}
	return texts
}
