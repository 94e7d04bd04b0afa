package grants

import (
	"sync"
	"time"
)

// PollInterval is how long a device waits between polls; every poll that comes too fast
// adds as much (RFC 8628 section 3.5).
const PollInterval = 5 * time.Second

const (
	// pollJitter forgives what the network does to a client that keeps to its interval.
	pollJitter = 250 * time.Millisecond
	paceLimit  = 1 << 16
)

// paces remembers how fast device codes are polled. It is kept per replica and bounded: a
// code that is forgotten starts at the first interval again.
type paces struct {
	mu     sync.Mutex
	byCode map[[32]byte]pace
}

type pace struct {
	last      time.Time
	interval  time.Duration
	expiresAt time.Time
}

func newPaces() *paces { return &paces{byCode: map[[32]byte]pace{}} }

// tooFast notes a poll and reports whether it came before the interval was over.
func (p *paces) tooFast(now time.Time, hash []byte, expiresAt time.Time) bool {
	key := [32]byte(hash)
	p.mu.Lock()
	defer p.mu.Unlock()
	was, known := p.byCode[key]
	if !known {
		p.makeRoom(now)
		p.byCode[key] = pace{now, PollInterval, expiresAt}
		return false
	}
	fast := now.Sub(was.last) < was.interval-pollJitter
	was.last = now
	if fast {
		was.interval += PollInterval
	}
	p.byCode[key] = was
	return fast
}

func (p *paces) forget(hash []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byCode, [32]byte(hash))
}

// makeRoom drops what has expired, and if that is nothing, anything.
func (p *paces) makeRoom(now time.Time) {
	if len(p.byCode) < paceLimit {
		return
	}
	for key, pace := range p.byCode {
		if !now.Before(pace.expiresAt) {
			delete(p.byCode, key)
		}
	}
	for key := range p.byCode {
		if len(p.byCode) < paceLimit*3/4 {
			return
		}
		delete(p.byCode, key)
	}
}
