package cli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much the heap may grow between collections. A small one may grow to three times what
// lives, because what a request makes is short-lived and a few megabytes more spare half of
// the collector's work. Of a large one, as 10,000 applications make it, that would be
// hundreds of megabytes kept for garbage: there the growth is bounded in bytes.
const (
	growthMost  = 200 // percent
	growthLeast = 30  // percent
	growthBytes = 32 << 20
)

const (
	// collectorEvery is how often the growth is brought in line with what lives.
	collectorEvery = time.Second
	// A program that has not collected for so long has little to do, and gives back what it
	// needed before: the lists of a start take several times what is kept of them.
	idleAfter   = 5 * time.Second
	idleGarbage = 8 << 20 // bytes that make it worth while
)

// collector sets how hard the garbage collector works.
type collector struct {
	off     bool // the environment has a wish of its own
	percent int
	cycles  uint64
	since   time.Time // when cycles was last seen to be another number
	own     uint64    // cycles after the last collection of ours
}

func newCollector() *collector {
	c := &collector{off: os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != ""}
	c.allow(growthMost)
	return c
}

// follow keeps the growth in line until ctx ends.
func (c *collector) follow(ctx context.Context) {
	if c.off {
		return
	}
	tick := time.NewTicker(collectorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if c.idle(readHeap(), now) {
				debug.FreeOSMemory()
				c.own = readHeap().cycles
			}
			c.allow(growth(readHeap().live))
		}
	}
}

// idle reports whether there is garbage that nobody else is going to collect soon: what was
// made since the last collection, or what was in use at one in the middle of work.
func (c *collector) idle(h heap, now time.Time) bool {
	if h.cycles != c.cycles || c.since.IsZero() {
		c.cycles, c.since = h.cycles, now
		return false
	}
	return now.Sub(c.since) >= idleAfter && (h.cycles != c.own || h.objects >= h.live+idleGarbage)
}

// allow changes the growth, which stops the program for a moment, where it makes a difference.
func (c *collector) allow(percent int) {
	if difference := percent - c.percent; c.off || difference*difference < 25 {
		return
	}
	c.percent = percent
	debug.SetGCPercent(percent)
}

// growth is by how many percent a heap of so many live bytes may grow.
func growth(live uint64) int {
	if live == 0 {
		return growthMost
	}
	return int(min(max(growthBytes*100/live, growthLeast), growthMost)) // #nosec G115 -- bounded
}

// heap is how it stands, in bytes.
type heap struct {
	live    uint64 // left alive by the last collection
	objects uint64 // alive, or garbage that was not collected yet
	cycles  uint64 // collections so far
}

func readHeap() heap {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	return heap{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}
