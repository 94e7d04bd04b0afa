package limits

import "time"

// CodeEntry slows the guessing of user codes (RFC 8628 section 5.1): ten a minute for
// each of the keys (address, session, person), and a brake on the misses of everybody
// together.
type CodeEntry struct {
	entries, misses *Limiter
}

// NewCodeEntry applies the policy, scaled; at 0 it is off.
func NewCodeEntry(scale float64) *CodeEntry {
	return &CodeEntry{
		entries: NewLimiter(10.0/60, 10, scale),
		misses:  NewLimiter(5, 300, scale),
	}
}

// Try counts an entry for all the keys and returns 0, or returns how long to wait.
func (c *CodeEntry) Try(now time.Time, keys ...string) (wait time.Duration) {
	if wait = c.misses.Wait(now, ""); wait > 0 {
		return wait
	}
	for _, key := range keys {
		wait = max(wait, c.entries.Take(now, key))
	}
	return wait
}

// Miss counts a code that was not there.
func (c *CodeEntry) Miss(now time.Time) { c.misses.Take(now, "") }
