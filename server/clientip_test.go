package server

import (
	"net/http"
	"net/netip"
	"testing"
)

// RFC 9700 section 4.13: headers of an untrusted peer count for nothing.
func TestClientAddressIsTheRightMostUntrustedHop(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:1", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.1:1", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"},
		{"10.0.0.1:1", "203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2"},
		{"[::ffff:10.0.0.1]:1", "2001:db8::1", "2001:db8::1"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": {c.forwarded}}}
		if got := clientIP(r, trusted); got.String() != c.want {
			t.Errorf("%s via %q is %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}
