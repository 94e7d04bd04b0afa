package limits

import "time"

// SecondFactor slows the guessing of the codes of authenticator apps: for each person five
// at once, then one in 4 s, and twenty at once, then twenty an hour; for each source twenty
// at once, then one in 10 s. Every try counts, right or wrong, so that a thousand at once
// are a thousand, and somebody's own sign-in gives a guesser nothing back.
//
// Who guesses knows the password, so this holds up the owner of a stolen one at a new place, for
// as long as the guessing lasts; at a usual place tries are counted apart (AppCodeKey). Recovery codes cannot be guessed: they are counted for the source
// alone, and are the way past.
type SecondFactor struct {
	burst, hour, source *Limiter
	unlocked            *table[time.Time] // which unlocking of a person was seen
}

// NewSecondFactor applies the policy, scaled; at 0 it is off.
func NewSecondFactor(scale float64) *SecondFactor {
	return &SecondFactor{
		burst:    NewLimiter(5.0/20, 5, scale),
		hour:     NewLimiter(20.0/3600, 20, scale),
		source:   NewLimiter(0.1, 20, scale),
		unlocked: newTable[time.Time](forgetAfter),
	}
}

// Try counts a try of a person's code and returns 0, or returns how long to wait. Call it
// before the code is looked at.
func (f *SecondFactor) Try(now time.Time, person, source string) time.Duration {
	if wait := max(f.burst.Wait(now, person), f.hour.Wait(now, person)); wait > 0 {
		return wait
	}
	if wait := f.source.Take(now, source); wait > 0 {
		return wait
	}
	return max(f.burst.Take(now, person), f.hour.Take(now, person))
}

// TryRecovery is Try for a recovery code.
func (f *SecondFactor) TryRecovery(now time.Time, source string) time.Duration {
	return f.source.Take(now, source)
}

// Unlocked forgets what was counted against a person before they were unlocked; the zero
// time: they were not.
func (f *SecondFactor) Unlocked(now time.Time, person string, at time.Time) {
	if at.IsZero() || !f.unlocked.look(now, person).Before(at) {
		return
	}
	f.unlocked.update(now, person, func(time.Time) time.Time { return at })
	f.burst.forget(now, person)
	f.hour.forget(now, person)
}
