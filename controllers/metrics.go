package controllers

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Registry has what the libraries below count: requests to the API server, work queues and
// reconciliations. What they count of the process is left to whoever serves it.
func Registry() prometheus.Gatherer { return registry() }

var registry = sync.OnceValue(func() prometheus.Gatherer {
	metrics.Registry.Unregister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)))
	metrics.Registry.Unregister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return metrics.Registry
})

// clusterMetrics is what the controllers count; nil counts nothing.
type clusterMetrics struct {
	foreignObjects *prometheus.GaugeVec
	readable       *prometheus.GaugeVec
}

func newClusterMetrics(registry prometheus.Registerer) *clusterMetrics {
	m := &clusterMetrics{
		foreignObjects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_foreign_objects", Help: "Objects that are left to another installation (status.installation).",
		}, []string{"kind"}),
		readable: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gatehouse_namespace_readable", Help: "1 if a namespace of --namespaces can be read, 0 if it is left out or no longer can be.",
		}, []string{"namespace"}),
	}
	if registry != nil {
		registry.MustRegister(m.foreignObjects, m.readable)
	}
	m.foreign(nil)
	return m
}

func (m *clusterMetrics) foreign(counts map[string]int) {
	for _, kind := range []string{kindOrganization, kindApplication, kindRole, kindProvider} {
		m.foreignObjects.WithLabelValues(kind).Set(float64(counts[kind]))
	}
}

func (m *clusterMetrics) namespace(name string, readable bool) {
	value := 0.0
	if readable {
		value = 1
	}
	m.readable.WithLabelValues(name).Set(value)
}
