package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-dev/gatehouse/controllers"
)

// opsHandler serves what operators ask: is the process alive, can it serve, how is it doing.
func (in *installation) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	remarks := func() []string {
		if r, remarking := in.source.(interface{ Remarks() []string }); remarking {
			return r.Remarks()
		}
		return nil
	}
	mux.HandleFunc("GET /readyz", readyz(in.ready, remarks))
	mux.Handle("GET /metrics", promhttp.HandlerFor(prometheus.Gatherers{in.registry, controllers.Registry()}, promhttp.HandlerOpts{}))
	return mux
}

// readyz answers whether requests can be served; with ?verbose also what people should know
// of that is no reason not to serve.
func readyz(ready func(context.Context) error, remarks func() []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
		if r.URL.Query().Has("verbose") {
			for _, remark := range remarks() {
				fmt.Fprintln(w, remark)
			}
		}
	}
}

// ready is nil once declarations are served; else it says what is missing.
func (in *installation) ready(ctx context.Context) error {
	if !in.prepared.Load() {
		phase, _ := in.phase.Load().(string)
		return errors.New(cmp.Or(phase, "the server is starting"))
	}
	return errors.Join(in.source.Ready(), in.server.Ready(ctx))
}
