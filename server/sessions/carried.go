package sessions

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A browser carries something sealed for us from one page to a later one: nothing is kept
// for somebody who may never come back, and whoever else learns an address that leads to
// the later page has nothing to show there.

// perCookie is what fits into one cookie besides its name, in bytes: browsers drop those
// above 4096 (RFC 6265bis section 5.6). MostCarried is what a browser carries under one
// name, in several.
const (
	perCookie   = 3800
	mostCookies = 4
	MostCarried = perCookie * mostCookies
)

// Carry returns the cookies by which a browser carries the value for so long; it is cut
// at MostCarried.
func (m *Manager) Carry(name, value string, life time.Duration) (all []*http.Cookie) {
	for i := 0; i < mostCookies && (i == 0 || value != ""); i++ {
		part := value[:min(len(value), perCookie)]
		value = value[len(part):]
		all = append(all, m.cookie(m.part(name, i), part, int(life/time.Second)))
	}
	return all
}

// CarryPast is Carry for a page that another site posts to: browsers send a cookie along
// with that only if it says so (RFC 6265bis section 5.6.7.2). They want such a one to be
// Secure; for an http issuer the attribute is left out, and what the browser does by itself
// has to do.
func (m *Manager) CarryPast(name, value string, life time.Duration) []*http.Cookie {
	all := m.Carry(name, value, life)
	for _, c := range all {
		if c.SameSite = http.SameSiteDefaultMode; m.secure {
			c.SameSite = http.SameSiteNoneMode
		}
	}
	return all
}

// Carried returns what the browser carries under the name; empty: nothing.
func (m *Manager) Carried(r *http.Request, name string) string {
	var value strings.Builder
	for i := range mostCookies {
		c, err := r.Cookie(m.part(name, i))
		if err != nil {
			break
		}
		value.WriteString(c.Value)
	}
	return value.String()
}

// CarriedNames returns the names that begin like this and under which something is carried.
func (m *Manager) CarriedNames(r *http.Request, prefix string) (names []string) {
	before, after, _ := strings.Cut(m.cookieName("\x00"), "\x00")
	for _, c := range r.Cookies() {
		name, isOurs := strings.CutPrefix(c.Name, before)
		if name, own := strings.CutSuffix(name, after); isOurs && own && strings.HasPrefix(name, prefix) && !strings.Contains(name, ".") {
			names = append(names, name)
		}
	}
	return names
}

// PutDown returns the cookies that make the browser forget what it carries.
func (m *Manager) PutDown(r *http.Request, name string) (all []*http.Cookie) {
	for i := range mostCookies {
		if _, err := r.Cookie(m.part(name, i)); err == nil {
			all = append(all, m.cookie(m.part(name, i), "", -1))
		}
	}
	return all
}

func (m *Manager) part(name string, i int) string {
	if i > 0 {
		name += "." + strconv.Itoa(i)
	}
	return m.cookieName(name)
}
