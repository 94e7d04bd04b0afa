package server

import "github.com/gatehouse-dev/gatehouse/server/upstream"

// Probe is what was seen last of the provider with this UID; false: nobody has looked yet,
// or there is nobody to look at.
func (s *Server) Probe(providerUID string) (upstream.Probe, bool) {
	return s.upstreams.Probe(providerUID)
}

// Probed has a value when Probe returns something else than when it was last received. One
// may receive.
func (s *Server) Probed() <-chan struct{} { return s.upstreams.Changed() }
