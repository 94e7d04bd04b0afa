package limits

import (
	"time"

	"golang.org/x/time/rate"
)

// Limiter holds one token bucket for each key.
type Limiter struct {
	rate    rate.Limit
	burst   int
	buckets *table[*rate.Limiter]
}

// NewLimiter allows perSecond events for each key, and burst at once. Scale multiplies
// both; at 0 everything is allowed.
func NewLimiter(perSecond float64, burst int, scale float64) *Limiter {
	if scale <= 0 {
		return &Limiter{rate: rate.Inf}
	}
	l := &Limiter{rate: rate.Limit(perSecond * scale), burst: max(1, int(float64(burst)*scale))}
	// A bucket unused for so long is full, as a new one is: nothing is lost with it.
	full := time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
	l.buckets = newTable[*rate.Limiter](full + time.Second)
	return l
}

// Take takes one event of the key and returns 0, or takes none and returns how long to
// wait for it.
func (l *Limiter) Take(now time.Time, key string) (wait time.Duration) {
	l.use(now, key, func(b *rate.Limiter) {
		r := b.ReserveN(now, 1)
		if wait = r.DelayFrom(now); wait > 0 {
			r.CancelAt(now)
		}
	})
	return wait
}

// Wait returns how long to wait for the next event of the key, and takes nothing.
func (l *Limiter) Wait(now time.Time, key string) (wait time.Duration) {
	l.use(now, key, func(b *rate.Limiter) {
		if missing := 1 - b.TokensAt(now); missing > 0 {
			wait = time.Duration(missing / float64(l.rate) * float64(time.Second))
		}
	})
	return wait
}

func (l *Limiter) use(now time.Time, key string, f func(*rate.Limiter)) {
	if l.rate == rate.Inf {
		return
	}
	l.buckets.update(now, key, func(b *rate.Limiter) *rate.Limiter {
		if b == nil {
			b = rate.NewLimiter(l.rate, l.burst)
		}
		f(b)
		return b
	})
}

// forget fills the bucket of the key.
func (l *Limiter) forget(now time.Time, key string) {
	if l.rate != rate.Inf {
		l.buckets.update(now, key, func(*rate.Limiter) *rate.Limiter { return rate.NewLimiter(l.rate, l.burst) })
	}
}
