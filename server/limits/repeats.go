package limits

import "time"

// Repeats counts how often the same thing comes, where it should come once.
type Repeats struct {
	seen *table[int]
}

// NewRepeats forgets what did not come for the idle time.
func NewRepeats(idle time.Duration) *Repeats { return &Repeats{newTable[int](idle)} }

// Seen counts the key, and returns how often it has come now.
func (r *Repeats) Seen(now time.Time, key string) (times int) {
	r.seen.update(now, key, func(before int) int {
		times = before + 1
		return times
	})
	return times
}
