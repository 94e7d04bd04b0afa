package keyring

import (
	"io"
	"time"
)

// Lead is how long a next key is known before it signs, so that whoever verifies has read
// it by then.
const Lead = 10 * time.Minute

// The longest lives of what keys protect: the ceilings of an Organization's tokens. Token
// keys protect both; signing keys protect what is read without us, which lives no longer
// than an access token.
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

// Span is the time during which a key signs.
type Span struct {
	Since time.Time // signs from then on; zero: from the beginning
	Until time.Time // its successor signs from then on; zero: it has none
}

// ended reports whether nothing that was signed lives, if it lives so long at most.
func (s Span) ended(now time.Time, longest time.Duration) bool {
	return !s.Until.IsZero() && !now.Before(s.Until.Add(longest))
}

// living is what a kind of key tells of itself, so that the life cycle is written once.
type living[K any] interface {
	span() Span
	until(time.Time) K // the key with another end
	name() string      // may be shown
}

// Line is all keys of one use, the oldest first. Each begins to sign after the one before
// it. It has at least one, but for the signing keys of a keyring that was written before
// there were any.
type Line[K living[K]] []K

// Current is the index of the key that signs at a time: the last one that has begun. Before
// all of them, when a clock was set back, it is the oldest.
func (l Line[K]) Current(at time.Time) int {
	for i := len(l) - 1; i > 0; i-- {
		if !at.Before(l[i].span().Since) {
			return i
		}
	}
	return 0
}

// last is when the last key begins; waits: it has not begun.
func (l Line[K]) last(now time.Time) (since time.Time, waits bool) {
	end := len(l) - 1
	return l[end].span().Since, l.Current(now) != end
}

// then returns the line with one more key, and without those that protect nothing any more.
func (l Line[K]) then(fresh K, now time.Time, longest time.Duration) Line[K] {
	var line Line[K]
	for _, key := range l {
		if !key.span().ended(now, longest) {
			line = append(line, key)
		}
	}
	if end := len(line) - 1; end >= 0 {
		line[end] = line[end].until(fresh.span().Since)
	}
	return append(line, fresh)
}

// Status is what may be told of a key.
type Status struct {
	ID    string    `json:"id"`
	State State     `json:"state"`
	Since time.Time `json:"since,omitzero"` // the state began; zero: with the installation
	Until time.Time `json:"until,omitzero"` // the state ends; zero: when the key is rotated
	Use   string    `json:"use"`
}

func (l Line[K]) states(now time.Time, use string, longest time.Duration) (all []Status) {
	current := l.Current(now)
	for i, key := range l {
		span := key.span()
		s := Status{ID: key.name(), State: Current, Since: span.Since, Until: span.Until, Use: use}
		switch {
		case i > current:
			s.State, s.Since, s.Until = Next, span.Since.Add(-Lead), span.Since
		case span.ended(now, longest):
			continue
		case i < current:
			s.State, s.Since, s.Until = Retired, span.Until, span.Until.Add(longest)
		}
		all = append(all, s)
	}
	return all
}

// States tells of the keys that sign or verify at a time: use by use, the oldest first.
func (k *Keyring) States(now time.Time) []Status {
	all := k.tokens.states(now, "token-mac", longestRefresh)
	all = append(all, k.rs256.states(now, RS256, LongestAccess)...)
	return append(all, k.es256.states(now, ES256, LongestAccess)...)
}

// Made tells of the youngest key of each use: those that Rotate or Replace has just made.
func (k *Keyring) Made(now time.Time) (all []Status) {
	for _, s := range k.States(now) {
		if end := len(all) - 1; end >= 0 && all[end].Use == s.Use {
			all[end] = s
		} else {
			all = append(all, s)
		}
	}
	return all
}

// PendingError refuses a rotation: the next key has not taken over yet.
type PendingError struct{ TakesOver time.Time }

func (e *PendingError) Error() string {
	return "a next key is waiting already; it takes over at " + e.TakesOver.UTC().Format(time.RFC3339)
}

// Rotate returns a keyring with a next key for each use, which signs Lead after now. While
// one waits the error is a *PendingError. Keys that protect nothing any more are left out: a
// grant keeps the token key that it began under (tokens.Minter.Successor), and none outlives
// the longest refresh token.
func (k *Keyring) Rotate(random io.Reader, now time.Time) (*Keyring, error) {
	return k.rotate(maker{random, makeRSA}, now)
}

func (k *Keyring) rotate(m maker, now time.Time) (*Keyring, error) {
	k, err := k.completed(m)
	if err != nil {
		return nil, err
	}
	begins := now
	var waits time.Time
	for _, last := range []func(time.Time) (time.Time, bool){k.tokens.last, k.rs256.last, k.es256.last} {
		since, waiting := last(now)
		if waiting && since.After(waits) {
			waits = since
		}
		if since.After(begins) { // a clock was set back
			begins = since
		}
	}
	if !waits.IsZero() {
		return nil, &PendingError{waits}
	}
	// Whole seconds, not sooner than promised.
	begins = begins.Add(Lead + time.Second - 1).UTC().Truncate(time.Second)
	fresh, err := m.keys(begins)
	if err != nil {
		return nil, err
	}
	return k.with(
		k.tokens.then(fresh.tokens[0], now, longestRefresh),
		k.rs256.then(fresh.rs256[0], now, LongestAccess),
		k.es256.then(fresh.es256[0], now, LongestAccess),
	), nil
}

// Replace returns a keyring whose only key of each use is a new one, which signs at once:
// who has read one key has read them all, so nothing that any of them signed is worth
// anything.
func (k *Keyring) Replace(random io.Reader, now time.Time) (*Keyring, error) {
	return k.replace(maker{random, makeRSA}, now)
}

func (k *Keyring) replace(m maker, now time.Time) (*Keyring, error) {
	fresh, err := m.keys(now.UTC().Truncate(time.Second))
	if err != nil {
		return nil, err
	}
	return k.with(fresh.tokens, fresh.rs256, fresh.es256), nil
}

func (k *Keyring) with(tokens Line[Key], rs256, es256 Line[SigningKey]) *Keyring {
	return &Keyring{Installation: k.Installation, root: k.root, tokens: tokens, rs256: rs256, es256: es256}
}
