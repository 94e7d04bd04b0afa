package cli

import (
	"testing"
	"time"
)

func TestALargeHeapGrowsByBytesAndASmallOneByPercent(t *testing.T) {
	const mebibyte = 1 << 20
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 200}, {1, 200}, {8 * mebibyte, 200}, {16 * mebibyte, 200}, {32 * mebibyte, 100}, {64 * mebibyte, 50},
		{200 * mebibyte, 30}, {1 << 40, 30},
	} {
		if got := growth(c.live); got != c.want {
			t.Errorf("%d live bytes may grow by %d %%, not %d", c.live, got, c.want)
		}
	}
}

func TestWhatTheEnvironmentSaysOfTheCollectorHolds(t *testing.T) {
	t.Setenv("GOGC", "77")
	c := newCollector()
	c.allow(30)
	if c.percent != 0 {
		t.Errorf("the growth was set to %d %%", c.percent)
	}
}

func TestOnlyAnIdleProgramWithGarbageIsCollectedByUs(t *testing.T) {
	const mebibyte = 1 << 20
	began := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := &collector{}
	for _, step := range []struct {
		what string
		at   time.Duration
		heap heap
		want bool
	}{
		{"at first", 0, heap{60 * mebibyte, 60 * mebibyte, 3}, false},
		{"a moment later", 4 * time.Second, heap{60 * mebibyte, 60 * mebibyte, 3}, false},
		{"idle after work", 5 * time.Second, heap{60 * mebibyte, 60 * mebibyte, 3}, true},
		{"collected", 6 * time.Second, heap{40 * mebibyte, 40 * mebibyte, 4}, false},
		{"idle without garbage", 60 * time.Second, heap{40 * mebibyte, 41 * mebibyte, 4}, false},
		{"idle with garbage", 61 * time.Second, heap{40 * mebibyte, 48 * mebibyte, 4}, true},
		{"at work", 62 * time.Second, heap{40 * mebibyte, 70 * mebibyte, 5}, false},
	} {
		if got := c.idle(step.heap, began.Add(step.at)); got != step.want {
			t.Errorf("%s: %t", step.what, got)
		}
		if step.want {
			c.own = step.heap.cycles + 1
		}
	}
}
