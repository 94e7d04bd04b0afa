package server

import (
	"errors"
	"log/slog"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// observe logs and counts a request. Neither queries nor bodies nor headers are in it: a
// client may have put a secret anywhere in them. The fault is logged here and only here.
func (s *Server) observe(rt *route, r *request, status int, err error) {
	path := "none"
	if rt != nil {
		path = rt.path
	}
	s.metrics.answered(path, status)
	var refused *oauth.Error
	level := levelOf(err, &refused)
	if level == slog.LevelError && errors.Is(err, store.ErrUnavailable) && r.Context().Err() != nil {
		level = slog.LevelInfo // the caller hung up: nobody needs to look at it
	}
	if !s.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", r.id),
		slog.String("method", knownMethod(r.Method)),
		slog.String("route", path),
		slog.Int("status", status),
		slog.String("ip", r.ip.String()),
		slog.Duration("took", s.Now().Sub(r.now)),
	}
	switch {
	case refused != nil:
		why := refused.Description
		if known := (interface{ Cause() string })(nil); errors.As(err, &known) {
			why = known.Cause() // what the client must not be told
		}
		attrs = append(attrs, slog.String("refused", refused.Code), slog.String("why", why))
	case err != nil:
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// levelOf: what went well is for debugging, as is the waiting of a device (RFC 8628 section
// 3.5); a refusal is worth a line, and a fault of ours needs somebody to look at it.
func levelOf(err error, refused **oauth.Error) slog.Level {
	switch {
	case err == nil:
		return slog.LevelDebug
	case !errors.As(err, refused):
		return slog.LevelError
	case (*refused).Code == oauth.AuthorizationPending, (*refused).Code == oauth.SlowDown:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// knownMethod keeps text of the caller's choice out of the log.
func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}

// metrics are what operators watch; nil keeps none.
type metrics struct {
	requests *prometheus.CounterVec
	issued   *prometheus.CounterVec
	snapshot *prometheus.GaugeVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	if registry == nil {
		return nil
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_http_requests_total", Help: "Requests answered, by route and status code.",
		}, []string{"route", "code"}),
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_tokens_issued_total", Help: "Access tokens issued, by grant type.",
		}, []string{"grant_type"}),
		snapshot: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_snapshot_info", Help: "1 for the digest of the configuration that is served.",
		}, []string{"digest"}),
	}
	registry.MustRegister(m.requests, m.issued, m.snapshot)
	return m
}

func (m *metrics) answered(route string, status int) {
	if m != nil {
		m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	}
}

func (m *metrics) tokenIssued(grant oauth.GrantType) {
	if m != nil {
		m.issued.WithLabelValues(string(grant)).Inc()
	}
}

func (m *metrics) serving(digest string) {
	if m != nil {
		m.snapshot.Reset()
		m.snapshot.WithLabelValues(digest).Set(1)
	}
}
