package limits

import (
	"sync"
	"time"
)

// SignIn slows the guessing of passwords; the package's doc states the policy.
type SignIn struct {
	off                   bool
	mu                    sync.Mutex // looking and counting is one step
	pair, source, account *throttle
	friends               *table[bool]      // sources that have signed in to an account
	unlocked              *table[time.Time] // which unlocking of an account a source has seen
}

const friendFor = 30 * 24 * time.Hour

// NewSignIn applies the policy, scaled; at 0 it is off.
func NewSignIn(scale float64) *SignIn {
	if scale <= 0 {
		return &SignIn{off: true}
	}
	return &SignIn{
		pair:     newThrottle(5, 15*time.Minute, scale),
		source:   newThrottle(20, 15*time.Minute, scale),
		account:  newThrottle(50, 10*time.Second, scale),
		friends:  newTable[bool](friendFor),
		unlocked: newTable[time.Time](forgetAfter),
	}
}

// Try counts a try and returns 0, or counts nothing and returns how long to wait. Call it
// before the password is looked at, with the account's name as it was typed: that there
// is no such account must make no difference.
func (s *SignIn) Try(now time.Time, account, source string) time.Duration {
	if s.off {
		return 0
	}
	pair := account + "\x00" + source
	s.mu.Lock()
	defer s.mu.Unlock()
	wait, friend := s.pair.wait(now, pair), s.friends.look(now, pair)
	if !friend {
		wait = max(wait, s.source.wait(now, source), s.account.wait(now, account))
	}
	if wait > 0 {
		return wait
	}
	s.pair.add(now, pair, 1)
	s.source.add(now, source, 1)
	if !friend {
		s.account.add(now, account, 1)
	}
	return 0
}

// Succeed is Right and Arrive: the password was all that was asked for.
func (s *SignIn) Succeed(now time.Time, account, source string) {
	s.Right(now, account, source)
	s.Arrive(now, account, source)
}

// Right takes back the try whose password turned out right, and the earlier ones of this
// source at this account. The others stay: an account of one's own must not wash away
// guesses at those of others.
func (s *SignIn) Right(now time.Time, account, source string) {
	if s.off {
		return
	}
	pair := account + "\x00" + source
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pair.forget(now, pair)
	s.source.add(now, source, -1)
	if !s.friends.look(now, pair) {
		s.account.add(now, account, -1)
	}
}

// Arrive makes the source one that has signed in to the account. With a second factor the
// right password is not enough for that: it may be a stolen one.
func (s *SignIn) Arrive(now time.Time, account, source string) {
	if s.off {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.friends.update(now, account+"\x00"+source, func(bool) bool { return true })
}

// Unlocked forgets what the source and others have counted against an account before it was
// unlocked; the zero time: it was not.
func (s *SignIn) Unlocked(now time.Time, account, source string, at time.Time) {
	if s.off || at.IsZero() {
		return
	}
	pair := account + "\x00" + source
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unlocked.look(now, pair).Before(at) {
		return
	}
	s.unlocked.update(now, pair, func(time.Time) time.Time { return at })
	s.pair.forget(now, pair)
	s.account.forget(now, account)
}
