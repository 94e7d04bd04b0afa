package controllers

import (
	"errors"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
)

// reconnectEvery is how long a read waits before it tries again to reach the API server.
const reconnectEvery = time.Second

// reconnecting is the configuration of everything that reads: while the API server cannot be
// reached, a read waits for it and does not fail. An informer whose reads fail waits longer
// each time, up to half a minute, and for that long nobody would see what was declared after
// the API server is back.
func (c *Cluster) reconnecting() *rest.Config {
	config := rest.CopyConfig(c.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &reconnect{next: next, clock: c.Clock, unreachable: func(err error) {
			c.progress.cannotRead("the Kubernetes API server", err)
		}}
	})
	return config
}

type reconnect struct {
	next        http.RoundTripper
	clock       clock.Clock
	unreachable func(error)
}

// RoundTrip sends a request. One that changes something is tried once: who writes decides
// for itself whether it still wants to. So is one that nobody can give up, of discovery: the
// end of this process must not wait for it.
func (t *reconnect) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		answer, err := t.next.RoundTrip(r)
		if err == nil || r.Method != http.MethodGet || r.Context().Done() == nil || !unreached(err) {
			return answer, err
		}
		t.unreachable(err)
		select {
		case <-r.Context().Done():
			return nil, err
		case <-t.clock.After(reconnectEvery):
		}
	}
}

// unreached reports that there was no connection to send a request on.
func unreached(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "dial"
}
