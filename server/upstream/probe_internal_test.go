package upstream

import (
	"testing"
	"time"
)

func TestAProviderThatIsBackIsSeenWithinAMinute(t *testing.T) {
	for failed, want := range map[int]time.Duration{
		0: ProbeInterval, 1: 10 * time.Second, 2: 20 * time.Second, 3: 40 * time.Second, 4: time.Minute, 5: time.Minute, 100_000: time.Minute,
	} {
		if got := pauseAfter(failed, ProbeInterval); got != want {
			t.Errorf("after %d failures in a row the pause is %s, want %s", failed, got, want)
		}
		if got := pauseAfter(failed, time.Second); got != time.Second {
			t.Errorf("after %d failures a provider that is asked each second rests for %s", failed, got)
		}
	}
}
