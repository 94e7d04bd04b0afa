package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

const (
	// ProbeInterval is how often each provider is asked whether it is there: as late is a
	// key that it withdrew taken away.
	ProbeInterval = 5 * time.Minute
	probeAgain    = 10 * time.Second // after the first failure; doubled with each, up to
	probeAway     = time.Minute
	probeTime     = 20 * time.Second // of one
	mostProbes    = 32               // at the same time
	messageMost   = 512
)

// Probe is what the last look at a provider gave, in words that may be shown: nothing of an
// answer is in them, and none tells what an inner address is.
type Probe struct {
	Reachable bool
	Reason    string // of the condition Reachable: one of those below
	Message   string // empty if it is reachable
	Issuer    string
	Until     time.Time // when the last certificate ends that answers are proven by; zero: none
}

// Why a provider is reachable or not.
const (
	ReasonReachable     = "Reachable"
	ReasonUnreachable   = "Unreachable"   // nobody answers, or none that may be asked
	ReasonInvalidAnswer = "InvalidAnswer" // what it says cannot be used
)

// Probe returns what the last look at a provider gave; false: there was none yet.
func (b *Backends) Probe(uid string) (Probe, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e := b.of[uid]
	if e == nil || e.probe == nil {
		return Probe{}, false
	}
	return *e.probe, true
}

// Changed has a value when what Probe returns is another since it was last received.
func (b *Backends) Changed() <-chan struct{} { return b.changed }

// Run looks at every provider again and again until the context ends; so each process has
// keys of its own that are fresh. Call it once.
func (b *Backends) Run(ctx context.Context) {
	var probes sync.WaitGroup
	watch := func(e *entry) { probes.Go(func() { b.probeAll(ctx, e) }) }
	b.mu.Lock()
	b.watch = watch
	for _, e := range b.of {
		watch(e)
	}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	b.watch = nil
	b.mu.Unlock()
	probes.Wait()
}

// probeAll looks at one provider, one time after the other.
func (b *Backends) probeAll(ctx context.Context, e *entry) {
	prober, ok := e.backend.(Prober)
	if !ok {
		return
	}
	every := b.env.ProbeEvery
	if every == 0 {
		every = ProbeInterval
	}
	for failed := 0; ; {
		select {
		case b.slots <- struct{}{}:
		case <-ctx.Done():
			return
		case <-e.gone:
			return
		}
		err := b.probe(ctx, prober)
		<-b.slots
		if ctx.Err() != nil {
			return // it was not the provider that ended it
		}
		if !errors.Is(err, outbound.ErrBusy) { // which says something of us
			b.saw(e, err)
		}
		if failed++; err == nil {
			failed = 0
		}
		if !e.rests(ctx, jittered(pauseAfter(failed, every))) {
			return
		}
	}
}

// pauseAfter is how long a provider is left alone that failed so often in a row. One that is
// back is seen within a minute, however long it was away: until then its status says of a
// provider that people sign in by that it cannot be reached.
func pauseAfter(failed int, every time.Duration) time.Duration {
	switch {
	case failed == 0:
		return every
	case failed < 4:
		return min(every, probeAgain<<(failed-1))
	}
	return min(every, probeAway)
}

func (b *Backends) probe(ctx context.Context, p Prober) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	defer func() {
		if recover() != nil { // what others wrote is read there: nothing in it ends this process
			err = errFault
		}
	}()
	return p.Probe(ctx, b.env.Now())
}

// saw keeps what a look gave, and says so if it is something else than before.
func (b *Backends) saw(e *entry, err error) {
	about := e.backend.Describe()
	now := Probe{Reachable: err == nil, Issuer: about.Issuer, Until: about.Until}
	now.Reason, now.Message = reason(err)
	b.mu.Lock()
	differs := e.probe == nil || *e.probe != now
	e.probe = &now
	b.mu.Unlock()
	if differs {
		select {
		case b.changed <- struct{}{}:
		default:
		}
	}
}

// rests waits; false: it is over.
func (e *entry) rests(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-e.gone:
	}
	return false
}

// jittered keeps many from asking at the same moment: a tenth more or less.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(max(1, d/5)) // #nosec G404 -- nobody gains from guessing it
}

// reason says why a look failed, in words that stay the same while the cause does.
func reason(err error) (word, message string) {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		network     net.Error
	)
	switch {
	case err == nil:
		return ReasonReachable, ""
	case errors.Is(err, outbound.ErrRefused):
		return ReasonUnreachable, "its " + outbound.ErrRefused.Error()
	case errors.As(err, &certificate):
		return ReasonUnreachable, "its certificate is not of its name, not valid now, or of nobody who is trusted; set caBundle if it has an authority of its own"
	case errors.As(err, &name):
		return ReasonUnreachable, "its name has no address"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return ReasonUnreachable, "it does not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ReasonUnreachable, "it ends the connection before it answers"
	case errors.As(err, &network):
		return ReasonUnreachable, "it takes no connection"
	case errors.Is(err, outbound.ErrTooLarge):
		return ReasonInvalidAnswer, "its answer is too large"
	}
	m := err.Error()
	if len(m) > messageMost {
		m = m[:messageMost]
	}
	return ReasonInvalidAnswer, m
}
