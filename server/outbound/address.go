package outbound

import (
	"fmt"
	"net/netip"
	"slices"
)

// notPublic are the networks that are not the Internet's (IANA's registries of IPv4 and
// IPv6 special-purpose addresses): this machine, its neighbours, its cluster, and those
// that carry an IPv4 address inside.
var notPublic = networks(
	"0.0.0.0/8",       // this network; Linux takes it for this machine
	"10.0.0.0/8",      // private (RFC 1918)
	"100.64.0.0/10",   // carrier-grade NAT (RFC 6598); some clouds have their services there
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local: metadata services of clouds
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // IETF protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // 6to4 relays
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
	"2001::/23",       // IETF protocol assignments, Teredo among them
	"2001:db8::/32",   // documentation
	"2002::/16",       // 6to4: an IPv4 address inside
	"3fff::/20",       // documentation
)

// global is all of IPv6 that is given out: outside are loopback, unspecified and IPv4 inside
// of IPv6 (::/8), NAT64 (64:ff9b::/96), unique local (fc00::/7), link-local (fe80::/10) and
// multicast (ff00::/8).
var global = netip.MustParsePrefix("2000::/3")

func networks(list ...string) (all []netip.Prefix) {
	for _, n := range list {
		all = append(all, netip.MustParsePrefix(n))
	}
	return all
}

// check judges the address of a connection that is about to be made.
func (o Options) check(network, address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%s %s: %w", network, address, ErrRefused)
	}
	// An IPv4 address is the same in its IPv6 form, and in whatever zone.
	ip := at.Addr().Unmap().WithZone("")
	if public(ip) || contains(o.Allow, ip) {
		return nil
	}
	return fmt.Errorf("%s: %w", ip, ErrRefused)
}

func public(ip netip.Addr) bool {
	return (ip.Is4() || global.Contains(ip)) && !contains(notPublic, ip)
}

func contains(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(ip) })
}
