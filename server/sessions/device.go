package sessions

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Device returns what the browser calls itself by, where somebody has signed in with it;
// empty: nobody has. It proves nothing: it only tells a known place from a strange one.
func (m *Manager) Device(r *http.Request) string {
	c, err := r.Cookie(m.deviceCookie())
	if err != nil {
		return ""
	}
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(c.Value); err != nil || len(raw) != idSize {
		return ""
	}
	return c.Value
}

// KeepDevice returns what the browser is called by from now on, and the cookie for it.
func (m *Manager) KeepDevice(r *http.Request) (string, *http.Cookie) {
	device := m.Device(r)
	if device == "" {
		device = random(idSize)
	}
	return device, m.cookie(m.deviceCookie(), device, int(store.PlaceKept/time.Second))
}

func (m *Manager) deviceCookie() string { return m.cookieName("gatehouse-device") }
