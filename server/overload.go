package server

import (
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

const (
	// workPerCore is how many requests may be under way for each core. One that waits for
	// the store or for a password's hash takes some 20 KiB, so that they stay a small
	// part of the memory that the cores come with; and what waits behind so many others
	// is better told at once.
	workPerCore = 256
	// bodiesPerWork is how many bodies may be on their way for each request under way: a
	// slow one takes up to 64 KiB, and nothing else.
	bodiesPerWork = 4
	// comeBack is when the callers who were turned away should try again.
	comeBack = time.Second
)

// overloaded turns a request away at once: waiting would only make the queue longer.
var overloaded = &refusal{
	words:  oauth.Refuse(oauth.TemporarilyUnavailable, "there are too many requests at once; wait as Retry-After says"),
	status: http.StatusServiceUnavailable, retryAfter: comeBack,
}

// A bound is how many may be inside at once. Nobody waits at it; at its zero value there is
// room for everybody.
type bound struct {
	most int64
	now  atomic.Int64
}

// enter reports whether there was room; who was let in must leave.
func (b *bound) enter() bool {
	if b.now.Add(1) > b.most && b.most > 0 {
		b.now.Add(-1)
		return false
	}
	return true
}

func (b *bound) leave() { b.now.Add(-1) }

// load is what the server holds in memory for requests: bodies on their way, and endpoints
// at work. They are apart so that peers who send slowly keep nobody from working; reading
// an answer slowly is a matter of the connection.
type load struct{ bodies, work bound }

func (l *load) limit(work int) {
	if work <= 0 {
		work = workPerCore * runtime.GOMAXPROCS(0)
	}
	l.work.most, l.bodies.most = int64(work), int64(work)*bodiesPerWork
}

// show registers how full it is.
func (l *load) show(registry prometheus.Registerer) {
	if registry == nil {
		return
	}
	for _, phase := range []struct {
		name string
		*bound
	}{{"body", &l.bodies}, {"work", &l.work}} {
		labels := prometheus.Labels{"phase": phase.name}
		registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "gatehouse_http_requests_in_flight", Help: "Requests under way, by what they do: their body arrives, or they are at work.", ConstLabels: labels,
			}, func() float64 { return float64(phase.now.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "gatehouse_http_requests_in_flight_limit", Help: "How many requests may be under way; those beyond it are answered 503.", ConstLabels: labels,
			}, func() float64 { return float64(phase.most) }),
		)
	}
}
