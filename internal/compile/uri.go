package compile

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What is wrong with a URI, and the cure. Two programs that read one URI differently are
// how codes reach strangers, so here is only admitted what all of them read alike.
const (
	uriCharacters = "has a character that no URI has, or a *; write others percent-encoded, and list each URI by itself"
	uriFragment   = "must not have a fragment; remove the # and what follows it"
	uriUnreadable = "is not an absolute URI with its scheme in lower case; write it like https://app.example.com/callback"
	uriUser       = "must not have user information; remove what stands before the @"
	uriHost       = "must name its host in lower case, and a port from 1 to 65535 or none, as in https://app.example.com"
)

// hostName is a name in lower case, as the resolvers of all systems take it.
var hostName = regexp.MustCompile(`^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$`)

// numeric is a last label that browsers read as part of an IPv4 address.
var numeric = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)

// readURI parses an absolute URI, or says what is wrong with it.
func readURI(raw string) (u *url.URL, wrong string) {
	for _, c := range []byte(raw) {
		if c <= ' ' || c > '~' || strings.IndexByte("*\\\"<>^`{|}", c) >= 0 {
			return nil, uriCharacters
		}
	}
	if strings.Contains(raw, "#") { // url.Parse forgets an empty fragment
		return nil, uriFragment
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || !strings.HasPrefix(raw, u.Scheme+":") {
		return nil, uriUnreadable
	}
	return u, ""
}

// checkAuthority says what is wrong with the host and port of a URI; "" if nothing is.
func checkAuthority(raw string, u *url.URL) string {
	if u.User != nil {
		return uriUser
	}
	authority, ok := plainAuthority(u.Hostname(), u.Port())
	if !ok || !strings.HasPrefix(raw, u.Scheme+"://"+authority) || authority != u.Host {
		return uriHost
	}
	return ""
}

// plainAuthority writes host and port in the one way that browsers do; ok is false for a
// host that no name or address is, and a port that does not exist.
func plainAuthority(host, port string) (authority string, ok bool) {
	authority = host
	if address, err := netip.ParseAddr(host); err == nil {
		if address.String() != host || address.Zone() != "" || address.Is4In6() {
			return "", false
		}
		if address.Is6() {
			authority = "[" + host + "]"
		}
	} else if len(host) > 253 || !hostName.MatchString(host) || numeric.MatchString(host) {
		return "", false
	}
	if port == "" {
		return authority, true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return authority + ":" + port, err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// loopback reports whether a host is this computer, for everybody who reads it (RFC 8252
// section 7.3).
func loopback(host string) bool {
	return slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, host)
}

// sameOrigin reports whether a URI is at the issuer or below it, however its port is
// written.
func sameOrigin(u *url.URL, issuer string) bool {
	i, err := url.Parse(issuer)
	return err == nil && issuer != "" && u.Scheme == i.Scheme &&
		strings.EqualFold(u.Hostname(), i.Hostname()) && portOf(u) == portOf(i)
}

// portOf is the port that is connected to.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}
