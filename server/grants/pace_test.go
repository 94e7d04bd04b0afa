package grants

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestPacesAreBounded(t *testing.T) {
	p, now := newPaces(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hash := make([]byte, 32)
	for i := range uint64(2 * paceLimit) {
		binary.BigEndian.PutUint64(hash, i)
		p.tooFast(now, hash, now.Add(time.Minute))
	}
	if len(p.byCode) > paceLimit {
		t.Errorf("%d codes are remembered, want at most %d", len(p.byCode), paceLimit)
	}
}

func TestIntervalGrowsWithEveryPollThatIsTooFast(t *testing.T) {
	p, now, hash := newPaces(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), make([]byte, 32)
	end := now.Add(10 * time.Minute)
	for _, c := range []struct {
		after time.Duration
		fast  bool
	}{{0, false}, {5 * time.Second, false}, {4 * time.Second, true}, {9 * time.Second, true}, {15 * time.Second, false}, {14 * time.Second, true}, {20 * time.Second, false}} {
		now = now.Add(c.after)
		if got := p.tooFast(now, hash, end); got != c.fast {
			t.Errorf("a poll %s after the last: too fast %t, want %t", c.after, got, c.fast)
		}
	}
}
