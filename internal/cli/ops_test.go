package cli

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/controllers"
)

func answer(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// They are in two registries, which both know the process.
func TestTheOperationsPortServesTheControllersMetrics(t *testing.T) {
	in := &installation{registry: prometheus.NewRegistry()}
	in.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	controllers.New(controllers.Options{Metrics: in.registry, Namespaces: []string{"acme"}, SystemNamespace: "gatehouse-system"})
	if nobody, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	} else if _, err := nobody.ServerVersion(); err == nil {
		t.Fatal("something answers on port 1")
	}
	code, metrics := answer(in.opsHandler(), "/metrics")
	if code != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", code, metrics)
	}
	for _, want := range []string{`gatehouse_foreign_objects{kind="Role"} 0`, "go_goroutines", "process_open_fds", `rest_client_requests_total{code="<error>"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

func TestReadyzSaysMoreToWhoAsksForIt(t *testing.T) {
	var wrong error
	h := readyz(func(context.Context) error { return wrong }, func() []string { return []string{"namespace acme is left out"} })
	if code, said := answer(h, "/readyz"); code != http.StatusOK || said != "ok\n" {
		t.Errorf("%d %q", code, said)
	}
	if code, said := answer(h, "/readyz?verbose"); code != http.StatusOK || said != "ok\nnamespace acme is left out\n" {
		t.Errorf("%d %q", code, said)
	}
	wrong = errors.New("no configuration")
	if code, said := answer(h, "/readyz?verbose"); code != http.StatusServiceUnavailable || said != "no configuration\n" {
		t.Errorf("%d %q", code, said)
	}
}
