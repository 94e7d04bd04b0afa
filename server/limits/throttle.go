package limits

import "time"

const (
	forgetAfter = 24 * time.Hour
	firstDelay  = time.Second
)

// throttle makes every try of a key beyond the free ones wait longer than the one before.
type throttle struct {
	free    int
	longest time.Duration
	scale   float64
	tries   *table[tries]
}

type tries struct {
	count int
	last  time.Time
}

func newThrottle(free int, longest time.Duration, scale float64) *throttle {
	return &throttle{free: int(float64(free) * scale), longest: longest, scale: scale, tries: newTable[tries](forgetAfter)}
}

// wait returns how long the key must wait before its next try. A try that was counted with a
// later clock, by a request that began later and came first, makes nobody wait for longer.
func (t *throttle) wait(now time.Time, key string) time.Duration {
	k := t.tries.look(now, key)
	delay := t.delay(k.count)
	return max(0, min(delay, delay-now.Sub(k.last)))
}

// count adds n tries, or takes them back.
func (t *throttle) add(now time.Time, key string, n int) {
	t.tries.update(now, key, func(k tries) tries {
		return tries{count: max(0, k.count+n), last: now}
	})
}

func (t *throttle) forget(now time.Time, key string) {
	t.tries.update(now, key, func(tries) tries { return tries{} })
}

// delay is what follows that many tries.
func (t *throttle) delay(count int) time.Duration {
	if count < max(1, t.free) {
		return 0
	}
	d := firstDelay
	for range count - max(1, t.free) {
		if d *= 2; d >= t.longest {
			d = t.longest
			break
		}
	}
	return time.Duration(float64(d) / t.scale)
}
