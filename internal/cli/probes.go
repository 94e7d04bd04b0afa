package cli

import (
	"context"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// probe is what was seen of the provider that the object with this UID declares.
func (in *installation) probe(uid string) compile.Probe {
	served := in.served.Load()
	if served == nil {
		return compile.Probe{}
	}
	seen, ok := in.server.Probe(served.ID(uid))
	if !ok {
		return compile.Probe{}
	}
	return compile.Probe{
		Reachable: &seen.Reachable, Reason: v1alpha1.Reason(seen.Reason), Message: seen.Message,
		Issuer: seen.Issuer, CertificateNotAfter: seen.Until,
	}
}

// followProbes tells what was seen of providers: the controllers, who write it down; or the
// log, where files are served.
func (in *installation) followProbes(ctx context.Context) error {
	said := map[string]bool{} // by UID: it was told that the provider is away
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-in.server.Probed():
		}
		if cluster, ok := in.source.(*controllers.Cluster); ok {
			cluster.Probed()
			continue
		}
		if served := in.served.Load(); served != nil {
			in.tellReach(served, said)
		}
	}
}

// tellReach logs once when a provider goes away, and when it is back.
func (in *installation) tellReach(served *model.Snapshot, said map[string]bool) {
	for p := range served.AllProviders() {
		seen, ok := in.server.Probe(p.UID)
		if !ok || seen.Reachable == !said[p.UID] {
			continue
		}
		said[p.UID] = !seen.Reachable
		if seen.Reachable {
			in.log.Info("provider answers again", "provider", p.Namespace+"/"+p.Name)
		} else {
			in.log.Warn("provider does not answer; what it said last stays in use", "provider", p.Namespace+"/"+p.Name, "reason", seen.Reason, "cause", seen.Message)
		}
	}
}
