// Package mail sends letters to people: links that they asked for, and word of what happened
// to their account. Delivery never holds a request up: a letter is taken into a queue in
// memory, which is bounded, and tried again for some minutes if the mail server does not take
// it. What waits when the process ends is tried once more, then lost; every letter can be
// asked for again, or tells of what is in the audit log too.
//
// A letter carries no secret but the one link. Neither its link nor its address is ever
// logged. It travels over TLS, with the server's certificate verified. Nothing that a person
// typed is in a header but the one address that it goes to.
//
// Start reading at Postbox; letter.go is what a letter is and how it is written, smtp.go how
// it is handed over.
package mail

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// MaxWaiting bounds the letters in memory; each takes a few KiB.
	MaxWaiting = 1000
	// atOnce is how many are handed over at the same time.
	atOnce = 4
	// handover bounds one try.
	handover = 30 * time.Second
	// grace is what the end of the process waits for letters.
	grace = 5 * time.Second
)

// pauses are between the tries of a letter: 18 minutes in all, enough for a server that
// greylists or restarts.
var pauses = []time.Duration{5 * time.Second, 15 * time.Second, 40 * time.Second, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}

// Options are what a Postbox is made of.
type Options struct {
	Server Server
	Log    *slog.Logger
	Now    func() time.Time
	// After returns a channel that is sent to when the time has passed; nil is time.After.
	After    func(time.Duration) <-chan time.Time
	Registry prometheus.Registerer // nil: nothing is counted
}

// Postbox sends letters. Send is safe for concurrent use; Run is called once.
type Postbox struct {
	Options
	arriving chan *posted
	handed   chan *posted
	waiting  atomic.Int64
	outcomes *prometheus.CounterVec
}

// posted is a letter on its way.
type posted struct {
	Letter
	tries int
	due   time.Time
	err   error // of the last try
}

// New makes a Postbox; it sends while Run runs.
func New(o Options) (*Postbox, error) {
	if err := o.Server.check(); err != nil {
		return nil, err
	}
	if o.After == nil {
		o.After = time.After //nolint:forbidigo // the clock that everything else is handed
	}
	p := &Postbox{Options: o, arriving: make(chan *posted, MaxWaiting), handed: make(chan *posted, atOnce)}
	p.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_mail_total", Help: "Letters, by what became of them: sent, retried, refused for good, given up, dropped because too many wait.",
	}, []string{"outcome"})
	if o.Registry != nil {
		o.Registry.MustRegister(p.outcomes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_mail_waiting", Help: "Letters that wait to be sent.",
		}, func() float64 { return float64(p.waiting.Load()) }))
	}
	return p, nil
}

// Send takes a letter and returns at once; false: there is no room, or it cannot be a letter.
func (p *Postbox) Send(l Letter) bool {
	if err := l.check(); err != nil {
		p.Log.Error("mail: a letter cannot be sent", "kind", l.Kind, "error", err)
		return false
	}
	if p.waiting.Add(1) > MaxWaiting {
		p.waiting.Add(-1)
		p.outcomes.WithLabelValues("dropped").Inc()
		p.Log.Error("mail: too many letters wait, one is dropped", "kind", l.Kind)
		return false
	}
	p.arriving <- &posted{Letter: l, due: p.Now()} // it has room for all that may wait
	return true
}

// Run sends letters until ctx ends, and then for a moment more.
func (p *Postbox) Run(ctx context.Context) error {
	var queue []*posted
	running := 0
	for {
		now := p.Now()
		for running < atOnce && len(queue) > 0 && !now.Before(queue[0].due) {
			go p.hand(ctx, queue[0])
			queue, running = queue[1:], running+1
		}
		var next <-chan time.Time
		if len(queue) > 0 && running < atOnce {
			next = p.After(queue[0].due.Sub(now))
		}
		select {
		case <-ctx.Done():
			p.finish(queue, running)
			return ctx.Err()
		case <-next:
		case l := <-p.arriving:
			queue = enqueue(queue, l)
		case l := <-p.handed:
			if running--; p.again(l) {
				queue = enqueue(queue, l)
			}
		}
	}
}

// enqueue keeps the queue in the order in which letters are due.
func enqueue(queue []*posted, l *posted) []*posted {
	at, _ := slices.BinarySearchFunc(queue, l.due, func(q *posted, due time.Time) int {
		return cmp.Or(q.due.Compare(due), -1) // behind those of the same time
	})
	return slices.Insert(queue, at, l)
}

// hand tries to hand a letter over. A try that has begun goes on when the process ends.
func (p *Postbox) hand(ctx context.Context, l *posted) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), handover)
	defer cancel()
	l.tries++
	l.err = p.Server.deliver(ctx, l.Letter, p.Now())
	p.handed <- l
}

// again reports whether a letter is to be tried again, and when; else it is done with.
func (p *Postbox) again(l *posted) bool {
	outcome := "sent"
	switch due := p.Now().Add(pauses[min(l.tries, len(pauses))-1]); {
	case l.err == nil:
		p.Log.Debug("mail: sent", "kind", l.Kind, "tries", l.tries)
	case isFinal(l.err):
		outcome = "refused"
		p.Log.Error("mail: the server refuses a letter", "kind", l.Kind, "error", describe(l.err))
	case l.tries > len(pauses), !l.Until.IsZero() && !due.Before(l.Until):
		outcome = "given up"
		p.Log.Error("mail: gave up on a letter", "kind", l.Kind, "tries", l.tries, "error", describe(l.err))
	default:
		l.due = due
		p.outcomes.WithLabelValues("retried").Inc()
		p.Log.Warn("mail: a letter was not taken, trying again", "kind", l.Kind, "tries", l.tries, "error", describe(l.err))
		return true
	}
	p.outcomes.WithLabelValues(outcome).Inc()
	p.waiting.Add(-1)
	return false
}

// finish waits for those that are being handed over, and tries those once that never were.
func (p *Postbox) finish(queue []*posted, running int) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	lost := 0
	for arrived := true; arrived; {
		select {
		case l := <-p.arriving:
			queue = append(queue, l)
		default:
			arrived = false
		}
	}
	for _, l := range queue {
		if l.tries > 0 || ctx.Err() != nil || p.Server.deliver(ctx, l.Letter, p.Now()) != nil {
			lost++
		}
	}
	for ; running > 0; running-- {
		select {
		case l := <-p.handed:
			if l.err != nil {
				lost++
			}
		case <-ctx.Done():
			lost++
		}
	}
	if lost > 0 {
		p.Log.Error("mail: letters are lost with the end of this process", "letters", lost)
	}
}

// errFinal: the server will not take this letter, however often it is tried.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

func isFinal(err error) bool {
	final := errFinal{}
	return errors.As(err, &final)
}
