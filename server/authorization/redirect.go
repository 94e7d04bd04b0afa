package authorization

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// redirect proves where the answer goes: to a registered URI, as it is written (RFC 9700
// section 2.1). It may be left out only where OAuth allows that and there is no choice
// (RFC 6749 section 3.1.2.3; OpenID Connect Core section 3.1.2.1 always wants it).
func (r *Request) redirect() error {
	registered := r.Application.RedirectURIs
	given, sent := r.Query["redirect_uri"]
	switch {
	case sent && Registered(r.Application, given[0]):
		r.RedirectURI = given[0]
		return nil
	case !sent && len(registered) == 1 && !r.OpenID():
		r.RedirectURI = registered[0]
		return nil
	case !sent:
		return oauth.Refuse(oauth.InvalidRequest, "the application did not say where to send you back: redirect_uri is missing")
	}
	return oauth.Refuse(oauth.InvalidRequest, "the application did not register where it wants to send you back: redirect_uri is not one of its redirectURIs")
}

// Registered reports whether the application registered the redirect URI.
func Registered(a *model.Application, uri string) bool {
	for _, registered := range a.RedirectURIs {
		if uri == registered || a.Type == model.TypeNative && sameButPort(uri, registered) {
			return true
		}
	}
	return false
}

// sameButPort reports whether two http loopback URIs differ in nothing but the port, which
// a native application is given by its system when it starts (RFC 8252 section 7.3). The
// text around the port is compared as it is written.
func sameButPort(uri, registered string) bool {
	head, tail, ok := cutPort(uri)
	wantHead, wantTail, loopback := cutPort(registered)
	return ok && loopback && head == wantHead && tail == wantTail
}

// cutPort splits an http loopback URI around its port; ok is false for any other text.
func cutPort(uri string) (head, tail string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]", "http://localhost"} {
		rest, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, numbered := strings.CutPrefix(rest, ":"); numbered {
			rest = strings.TrimLeft(port, "0123456789")
			if digits := len(port) - len(rest); digits == 0 || digits > 5 {
				return "", "", false
			}
		}
		if rest == "" || rest[0] == '/' || rest[0] == '?' {
			return host, rest, strings.IndexFunc(rest, unsafe) < 0
		}
	}
	return "", "", false
}

// unsafe characters are in no registered URI.
func unsafe(c rune) bool { return c <= ' ' || c > '~' || c == '\\' || c == '#' }

// Assured reports whether the redirect URI itself proves who is behind it: a loopback or
// private-use one may be any program on the device (RFC 8252 section 8.6).
func (r *Request) Assured() bool {
	u, err := url.Parse(r.RedirectURI)
	if err != nil || u.Scheme != "https" {
		return false
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 section 6.3
		return false
	}
	address, err := netip.ParseAddr(host)
	return err != nil || !address.IsLoopback()
}

// Target is where the answer goes, as Target names it.
func (r *Request) Target() string { return Target(r.RedirectURI) }

// Target names where a registered URI leads as a browser's policy for forms does: an
// origin, or a scheme with its colon.
func Target(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Host == "":
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}
