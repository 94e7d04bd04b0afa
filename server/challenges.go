package server

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-dev/gatehouse/server/limits"
)

// A client makes a new code_challenge, and a new nonce, for every request: one that is
// always the same binds no code to the request that it was given for, so that a stolen code
// can be put into another browser (RFC 9700 section 2.1.1). No single request shows that; the
// server, which sees them all, can tell whoever declared the application.

const (
	// repeatsTold is how often one value has to be used before it is told. People who go
	// back and agree again repeat theirs a few times, rightly.
	repeatsTold = 50
	// repeatsKept is for how long a value that does not come again is remembered.
	repeatsKept = 24 * time.Hour
)

// repeats notices applications that repeat themselves. What it keeps is in memory, hashed
// and bounded: each replica counts its own, and a restart forgets.
type repeats struct {
	seen *limits.Repeats
	told *prometheus.CounterVec // nil: no metrics are kept
}

func newRepeats(registry prometheus.Registerer) repeats {
	r := repeats{seen: limits.NewRepeats(repeatsKept)}
	if registry != nil {
		r.told = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_constant_parameters_total",
			Help: "Values of code_challenge and nonce that an application used over and over, by parameter; the log names the application.",
		}, []string{"parameter"})
		registry.MustRegister(r.told)
	}
	return r
}

// notice counts what a code was given for, and tells once when it is always the same. Only
// codes count: nobody who is not signed in can make it tell anything. The value itself is
// not told; a nonce may be a secret of the application.
func (s *Server) notice(r *request, a *inquiry) {
	for _, p := range []struct{ name, value string }{{"code_challenge", a.Challenge}, {"nonce", a.Nonce}} {
		if p.value == "" || s.repeats.seen.Seen(r.now, a.Application.UID+" "+p.name+" "+p.value) != repeatsTold {
			continue
		}
		if s.repeats.told != nil {
			s.repeats.told.WithLabelValues(p.name).Inc()
		}
		s.Log.LogAttrs(r.Context(), slog.LevelWarn, "an application sends the same value with every request; it has to make a new one each time, else codes can be stolen",
			slog.String("application", a.Application.ClientID), slog.String("parameter", p.name), slog.Int("times", repeatsTold), slog.String("id", r.id))
	}
}
