package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// opsHandler serves what operators ask: is the process alive, can it serve, how is it doing.
func (in *installation) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := in.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(in.registry, promhttp.HandlerOpts{}))
	return mux
}

// ready is nil once declarations are served; else it says what is missing.
func (in *installation) ready(ctx context.Context) error {
	if !in.prepared.Load() {
		phase, _ := in.phase.Load().(string)
		return errors.New(cmp.Or(phase, "the server is starting"))
	}
	return errors.Join(in.source.Ready(), in.server.Ready(ctx))
}
