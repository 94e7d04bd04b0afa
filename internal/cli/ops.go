package cli

import (
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
	ready := func(ctx context.Context) error { return errors.Join(in.source.Ready(), in.server.Ready(ctx)) }
	remarks := func() []string { return nil }
	if r, remarking := in.source.(interface{ Remarks() []string }); remarking {
		remarks = r.Remarks
	}
	mux.HandleFunc("GET /readyz", readyz(ready, remarks))
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
