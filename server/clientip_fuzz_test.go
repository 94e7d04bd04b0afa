package server

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// FuzzForwardedFor: whoever is no proxy of ours cannot be taken for anybody else, and behind
// a proxy of ours the client is the last hop that it did not add itself (RFC 9700 B-4.13).
func FuzzForwardedFor(f *testing.F) {
	f.Add("192.0.2.1", "10.0.0.1:1")
	f.Add("192.0.2.1, 10.0.0.2", "10.0.0.1:1")
	f.Add("evil,, ::ffff:10.0.0.9, [::1]:80", "[2001:db8::1]:2")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, header, peer string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {header}}}
		direct := clientIP(&http.Request{RemoteAddr: peer}, trusted)
		got := clientIP(r, trusted)
		if !within(trusted, direct) && got != direct {
			t.Errorf("%q, which is no proxy, is taken for %v", peer, got)
		}
		if got == direct {
			return
		}
		seen := false
		for hop := range strings.SplitSeq(header, ",") {
			if a, err := netip.ParseAddr(strings.TrimSpace(hop)); err == nil && a.Unmap() == got {
				seen = true
			}
		}
		if !seen {
			t.Errorf("%v is in no header", got)
		}
	})
}
