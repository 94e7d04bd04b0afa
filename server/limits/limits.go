// Package limits says how often something may be done: token buckets for requests, and
// delays that grow with every wrong guess for sign-in and code entry.
//
// The policy for sign-in (ASVS 6.1.1) slows guessing without giving anybody the means to
// lock an owner out for good:
//
//   - One place guessing at one account: five tries are free, then each one doubles the
//     wait, from 1 s to 15 min.
//   - One source, whatever the accounts: twenty wrong tries are free, then the same.
//   - One account, whatever the sources: fifty wrong tries are free, then there is one try
//     every 10 s, and with each ten further tries half as many, down to one every 15 min.
//
// A place is a source, or a device that has signed in to the account and says so by a cookie.
// The last two hold back strangers only: from where somebody has signed in to the account in
// the last 30 days the owner is not held up by guesses made elsewhere, nor by a neighbour
// behind the same address who guesses at other accounts. Who guesses at this very account
// from the owner's own address holds up that address, for 15 minutes at the most, and not
// the owner's device. While many sources guess, an owner who has neither place nor device
// shares what tries there are with them; a reset of the password by mail, or an
// administrator's `gatehouse user unlock`, forgets what was counted.
//
// A try is counted before the password is looked at, so that a thousand tries at once are
// a thousand tries; the right password takes back what it counted. Wrong tries are
// forgotten a day after the last. All of it is kept in memory first, and in the store
// (durable.go), over restarts and for all processes that share it.
//
// Memory is bounded: keys are kept as 64-bit hashes under a random seed, what was idle
// goes, and beyond the capacity the longest unused goes first. Clocks are passed in; all
// methods are safe for concurrent use. Start reading at limiter.go.
package limits

import (
	"math"
	"net/netip"
	"strconv"
	"time"
)

// Source is the key of an address: IPv4 as it is, IPv6 by its /64, which is what one
// customer holds.
func Source(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		prefix, err := ip.Prefix(64)
		if err != nil {
			return ip.String()
		}
		return prefix.String()
	}
	return ip.String()
}

// RetryAfter is the header's value for a wait: whole seconds, rounded up, at least one
// (RFC 9110 section 10.2.3).
func RetryAfter(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}
