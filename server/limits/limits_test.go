package limits

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestBucketRefusesBeyondItsBurstAndRefills(t *testing.T) {
	l := NewLimiter(2, 3, 1)
	for i := range 3 {
		if wait := l.Take(start, "a"); wait != 0 {
			t.Fatalf("event %d waits %s", i, wait)
		}
	}
	if wait := l.Take(start, "a"); wait != 500*time.Millisecond {
		t.Errorf("the fourth waits %s, want 500ms", wait)
	}
	if wait := l.Wait(start, "a"); wait != 500*time.Millisecond {
		t.Errorf("Wait says %s, want 500ms", wait)
	}
	if wait := l.Take(start, "b"); wait != 0 {
		t.Errorf("another key waits %s", wait)
	}
	if wait := l.Take(start.Add(500*time.Millisecond), "a"); wait != 0 {
		t.Errorf("after the wait it still waits %s", wait)
	}
}

func TestScaleZeroSwitchesEverythingOff(t *testing.T) {
	l, s, c := NewLimiter(1, 1, 0), NewSignIn(0), NewCodeEntry(0)
	for range 1000 {
		c.Miss(start)
		if l.Take(start, "a")+l.Wait(start, "a")+s.Try(start, "ann", "ip")+c.Try(start, "ip") != 0 {
			t.Fatal("something waits")
		}
	}
	s.Succeed(start, "ann", "ip")
}

func TestMemoryIsBounded(t *testing.T) {
	l := NewLimiter(1, 10, 1)
	const most = 2 * shardCount * shardCapacity
	for i := range 2 * most {
		l.Take(start, fmt.Sprint("key ", i))
	}
	if n := l.buckets.size(); n > most {
		t.Errorf("%d entries, want at most %d", n, most)
	}
	for i := range 20 * shardCount {
		l.Take(start.Add(time.Hour), fmt.Sprint("later ", i))
	}
	if n := l.buckets.size(); n > 20*shardCount {
		t.Errorf("%d entries after an idle hour, want only the new ones", n)
	}
}

func TestOneSourceAddressIsOneIPv6Network(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if same := Source(netip.MustParseAddr(c.a)) == Source(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s: same source %t, want %t", c.a, c.b, same, c.same)
		}
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2"} {
		if got := RetryAfter(wait); got != want {
			t.Errorf("RetryAfter(%s) = %s, want %s", wait, got, want)
		}
	}
}

// ASVS 6.3.1: a hundred wrong tries are slowed; the right one from elsewhere works soon.
func TestGuessingIsSlowedAndTheOwnerIsNotLockedOut(t *testing.T) {
	s := NewSignIn(1)
	now, guesses := start, 0
	for range 100 {
		if s.Try(now, "ann", "attacker") == 0 {
			guesses++
		}
		now = now.Add(time.Second)
	}
	if guesses > 12 {
		t.Errorf("%d guesses in 100 s, want at most 12", guesses)
	}
	if wait := s.Try(now, "ann", "attacker"); wait < 10*time.Second {
		t.Errorf("the attacker waits %s, want more", wait)
	}
	if wait := s.Try(now, "ann", "home"); wait != 0 {
		t.Errorf("the owner waits %s", wait)
	}
}

func TestManySourcesCannotLockTheOwnerOut(t *testing.T) {
	s := NewSignIn(1)
	s.Try(start, "ann", "home")
	s.Succeed(start, "ann", "home")
	now := start
	for i := range 10_000 {
		s.Try(now, "ann", fmt.Sprint("bot ", i))
		now = now.Add(100 * time.Millisecond)
	}
	if wait := s.Try(now, "ann", "home"); wait != 0 {
		t.Errorf("at the usual place the owner waits %s", wait)
	}
	if wait := s.Try(now, "ann", "hotel"); wait > 10*time.Second {
		t.Errorf("elsewhere the owner waits %s, want at most 10s", wait)
	}
}

func TestOneSourceTryingManyAccountsIsSlowed(t *testing.T) {
	s := NewSignIn(1)
	allowed := 0
	for i := range 1000 {
		if s.Try(start, fmt.Sprint("user ", i), "attacker") == 0 {
			allowed++
		}
	}
	if allowed != 20 {
		t.Errorf("%d tries at once, want 20", allowed)
	}
}

// Else one source could push out what is known of everybody, wrong tries and friends.
func TestWhoIsHeldBackTakesNoRoom(t *testing.T) {
	s := NewSignIn(1)
	for i := range 1000 {
		s.Try(start, fmt.Sprint("user ", i), "attacker")
	}
	if n := s.pair.tries.size() + s.account.tries.size() + s.friends.size(); n > 2*20 {
		t.Errorf("%d entries of one source that may try 20 times", n)
	}
}

func TestOnesOwnAccountDoesNotWashAwayGuesses(t *testing.T) {
	s := NewSignIn(1)
	allowed := 0
	for i := range 1000 {
		if s.Try(start, fmt.Sprint("victim ", i), "attacker") == 0 {
			allowed++
		}
		if s.Try(start, "attacker's own", "attacker") == 0 {
			s.Succeed(start, "attacker's own", "attacker")
		}
	}
	if allowed > 20 {
		t.Errorf("%d guesses at once, want at most 20", allowed)
	}
}

func TestTriesAtOnceAreAllCounted(t *testing.T) {
	s := NewSignIn(1)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if s.Try(start, "ann", "attacker") == 0 {
				allowed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 5 {
		t.Errorf("%d tries at once, want 5", n)
	}
}

func TestWrongTriesAreForgottenAfterADay(t *testing.T) {
	s := NewSignIn(1)
	for range 10 {
		s.Try(start, "ann", "home")
	}
	later := start.Add(2*forgetAfter + time.Minute)
	for i := range 5 {
		if wait := s.Try(later, "ann", "home"); wait != 0 {
			t.Fatalf("try %d waits %s", i, wait)
		}
	}
}

// ASVS 6.6.2-3: guessing of user codes is slowed for address, session and person.
func TestTenCodesAMinuteForEachKey(t *testing.T) {
	c := NewCodeEntry(1)
	for i := range 10 {
		if wait := c.Try(start, "ip", fmt.Sprint("session ", i)); wait != 0 {
			t.Fatalf("entry %d waits %s", i, wait)
		}
	}
	if c.Try(start, "ip", "another session") == 0 {
		t.Error("the eleventh entry of an address is allowed")
	}
	if wait := c.Try(start.Add(time.Minute), "ip"); wait != 0 {
		t.Errorf("after a minute it waits %s", wait)
	}
}

func TestMissesOfEverybodyPullTheBrake(t *testing.T) {
	c := NewCodeEntry(1)
	for range 300 {
		c.Miss(start)
	}
	if c.Try(start, "somebody") == 0 {
		t.Error("the brake is not pulled")
	}
	if wait := c.Try(start.Add(time.Second), "somebody"); wait != 0 {
		t.Errorf("the brake holds for %s", wait)
	}
}

// Five in a breath, twenty an hour, whoever asks; twenty from one source, whoever is meant.
func TestCodesOfAppsAreLimitedByPersonAndSource(t *testing.T) {
	f := NewSecondFactor(1)
	allowed := 0
	for i := range 1000 {
		if f.Try(start, "ann", fmt.Sprint("source ", i)) == 0 {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("%d tries at once, want 5", allowed)
	}
	for i := range 24 * 3600 / 5 {
		if f.Try(start.Add(time.Duration(i)*5*time.Second), "ann", fmt.Sprint("source ", i)) == 0 {
			allowed++
		}
	}
	if allowed < 24*20 || allowed > 25*20 {
		t.Errorf("%d tries in a day, want 20 an hour and 20 to begin with", allowed)
	}
	one := 0
	for i := range 1000 {
		if f.Try(start, fmt.Sprint("person ", i), "attacker") == 0 {
			one++
		}
		if f.TryRecovery(start, "attacker") == 0 {
			one++
		}
	}
	if one != 20 {
		t.Errorf("%d tries of one source at once, want 20", one)
	}
	if wait := f.Try(start, "person 999", "home"); wait != 0 {
		t.Errorf("somebody who was meant waits %v at another place", wait)
	}
	if wait := f.TryRecovery(start, "elsewhere"); wait != 0 {
		t.Errorf("a recovery code waits %v", wait)
	}
	off := NewSecondFactor(0)
	for range 100 {
		if off.Try(start, "ann", "home") != 0 {
			t.Fatal("it is not off")
		}
	}
}

// Requests that wait for their turn carry the time of when they began.
func TestATryThatBeganEarlierIsNotHeldBackByALaterOne(t *testing.T) {
	s := NewSignIn(1)
	if wait := s.Try(start.Add(time.Second), "ann", "home"); wait != 0 {
		t.Fatal(wait)
	}
	if wait := s.Try(start, "bob", "home"); wait != 0 {
		t.Errorf("it waits %s", wait)
	}
}
