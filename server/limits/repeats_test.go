package limits

import (
	"fmt"
	"testing"
	"time"
)

func TestRepeatsAreCountedUntilTheyStop(t *testing.T) {
	r := NewRepeats(time.Hour)
	now := start
	for i := 1; i <= 100; i++ {
		if n := r.Seen(now, "constant"); n != i {
			t.Fatalf("seen %d times, want %d", n, i)
		}
		if n := r.Seen(now, fmt.Sprint("new ", i)); n != 1 {
			t.Fatalf("a new one was seen %d times", n)
		}
		now = now.Add(30 * time.Minute)
	}
	if n := r.Seen(now.Add(3*time.Hour), "constant"); n != 1 {
		t.Errorf("after it stopped it was seen %d times", n)
	}
}

// What comes once pushes out neither memory nor what keeps coming.
func TestRepeatsAreBoundedAndKeepWhatKeepsComing(t *testing.T) {
	r := NewRepeats(24 * time.Hour)
	const most = 2 * shardCount * shardCapacity
	for i := range most {
		r.Seen(start, fmt.Sprint("once ", i))
		if i%1000 == 0 {
			r.Seen(start, "constant")
		}
	}
	if n := r.seen.size(); n > most {
		t.Errorf("%d entries, want at most %d", n, most)
	}
	if n := r.Seen(start, "constant"); n != most/1000+2 {
		t.Errorf("seen %d times, want %d", n, most/1000+2)
	}
}
