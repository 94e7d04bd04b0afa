package keyring

import (
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Lead is how long a next key is known before it signs, so that whoever verifies has read
// it by then.
const Lead = 10 * time.Minute

// The longest lives that token keys protect: the ceilings of an Organization's tokens.
const (
	LongestAccess  = 24 * time.Hour
	longestRefresh = 8760 * time.Hour
)

// State is where a key is in its life. It follows from the times in the keyring and the
// clock: nothing has to run for a key to go from one state to the next.
type State string

// The states of a key, in this order.
const (
	Next    State = "next"    // known and verifying; it does not sign yet
	Current State = "current" // signs and verifies
	Retired State = "retired" // verifies what it has signed
)

// Key is a key in its life cycle.
type Key struct {
	ID     [4]byte         // the first bytes of SHA-256 over HKDF(key, "kid")
	Secret model.Sensitive // what only this installation knows
	Since  time.Time       // signs from then on; zero: from the beginning
	Until  time.Time       // its successor signs from then on; zero: it has none
}

// Line is all keys of one use, the oldest first. It has at least one; each begins to sign
// after the one before it.
type Line []Key

// Current is the index of the key that signs at a time: the last one that has begun. Before
// all of them, when a clock was set back, it is the oldest.
func (l Line) Current(at time.Time) int {
	for i := len(l) - 1; i > 0; i-- {
		if !at.Before(l[i].Since) {
			return i
		}
	}
	return 0
}

// Status is what may be told of a key.
type Status struct {
	ID    string    `json:"id"`
	State State     `json:"state"`
	Since time.Time `json:"since,omitzero"` // the state began; zero: with the installation
	Until time.Time `json:"until,omitzero"` // the state ends; zero: when the key is rotated
	Use   string    `json:"use"`
}

// States tells of the keys that sign or verify at a time, the oldest first.
func (k *Keyring) States(now time.Time) []Status {
	var all []Status
	current := k.tokens.Current(now)
	for i, key := range k.tokens {
		s := Status{ID: fmt.Sprintf("%x", key.ID), State: Current, Since: key.Since, Until: key.Until, Use: "token-mac"}
		switch {
		case i > current:
			s.State, s.Since, s.Until = Next, key.Since.Add(-Lead), key.Since
		case key.ended(now, longestRefresh):
			continue
		case i < current:
			s.State, s.Since, s.Until = Retired, key.Until, key.Until.Add(longestRefresh)
		}
		all = append(all, s)
	}
	return all
}

// PendingError refuses a rotation: the next key has not taken over yet.
type PendingError struct{ TakesOver time.Time }

func (e *PendingError) Error() string {
	return "a next key is waiting already; it takes over at " + e.TakesOver.UTC().Format(time.RFC3339)
}

// Rotate returns a keyring with a next token key, which signs Lead after now. While there is
// one that waits the error is a *PendingError. Keys that protect nothing any more are left
// out: a grant keeps the key that it began under (tokens.Minter.Successor), and none outlives
// the longest refresh token.
func (k *Keyring) Rotate(random io.Reader, now time.Time) (*Keyring, error) {
	last := k.tokens[len(k.tokens)-1]
	if k.tokens.Current(now) != len(k.tokens)-1 {
		return nil, &PendingError{last.Since}
	}
	begins := now
	if begins.Before(last.Since) { // a clock was set back
		begins = last.Since
	}
	// Whole seconds, not sooner than promised.
	begins = begins.Add(Lead + time.Second - 1).UTC().Truncate(time.Second)
	fresh, err := newTokenKey(random, begins)
	if err != nil {
		return nil, err
	}
	var line Line
	for _, key := range k.tokens {
		if !key.ended(now, longestRefresh) {
			line = append(line, key)
		}
	}
	line[len(line)-1].Until = begins
	return k.with(append(line, fresh)), nil
}

// Replace returns a keyring whose only token key is a new one, which signs at once: who has
// read one key has read them all, so nothing that any of them signed is worth anything.
func (k *Keyring) Replace(random io.Reader, now time.Time) (*Keyring, error) {
	fresh, err := newTokenKey(random, now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return k.with(Line{fresh}), nil
}

func (k *Keyring) with(tokens Line) *Keyring {
	return &Keyring{Installation: k.Installation, root: k.root, tokens: tokens}
}

// ended reports whether nothing that the key has signed lives, if it lives so long at most.
func (k *Key) ended(now time.Time, longest time.Duration) bool {
	return !k.Until.IsZero() && !now.Before(k.Until.Add(longest))
}
