package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shutdownGrace is how long requests under way may take to finish after a signal.
const shutdownGrace = 10 * time.Second

// httpLimits bound what a peer can hold on to. Every phase of a connection ends.
type httpLimits struct {
	header, request, answer, idle time.Duration
	headerBytes                   int
	connections                   int // open at once
	streams                       int // under way at once in an HTTP/2 connection
}

// usualLimits: a connection takes some 20 KiB, over TLS 50, so that all of them stay under
// 200 MiB.
var usualLimits = httpLimits{
	header: 5 * time.Second, request: 15 * time.Second, answer: 30 * time.Second, idle: 2 * time.Minute,
	headerBytes: 16 << 10, connections: 4096, streams: 100,
}

// listening is where to serve what, and how.
type listening struct {
	net.Listener
	handler http.Handler
	tls     *tls.Config // nil: plain
	limits  httpLimits
	log     *slog.Logger
	refused prometheus.Counter // connections that were turned away; nil: not counted
}

// serve serves until ctx ends, then lets requests under way finish.
func (l *listening) serve(ctx context.Context) error {
	crowd := &crowd{Listener: l.Listener, most: l.limits.connections, refused: l.refused, open: map[*member]struct{}{}}
	s := &http.Server{
		Handler:           l.handler,
		ReadHeaderTimeout: l.limits.header,
		ReadTimeout:       l.limits.request,
		WriteTimeout:      l.limits.answer,
		IdleTimeout:       l.limits.idle,
		MaxHeaderBytes:    l.limits.headerBytes,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: l.limits.streams},
		ConnState:         crowd.noteState,
		TLSConfig:         l.tls,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug), // of connections: peers' faults
	}
	done := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		done <- s.Shutdown(grace)
	})
	var err error
	if l.tls != nil {
		err = s.ServeTLS(crowd, "", "") // the certificate is the configuration's
	} else {
		err = s.Serve(crowd)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return <-done
}

// crowd is a listener that bounds its open connections. Beyond the bound a newcomer takes
// the place of the one that has been idle for longest, which its client opens again when
// it needs it; if none is idle, the newcomer is turned away at once.
type crowd struct {
	net.Listener
	most    int
	refused prometheus.Counter
	order   atomic.Uint64 // rises with each connection that becomes idle

	mu   sync.Mutex
	open map[*member]struct{}
}

// member is an open connection.
type member struct {
	net.Conn
	crowd *crowd
	idle  atomic.Uint64 // its place in the order; 0: it is in use
}

func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		m := &member{Conn: conn, crowd: c}
		if c.admit(m) {
			return m, nil
		}
		if c.refused != nil {
			c.refused.Inc()
		}
		_ = conn.Close() // nothing was read or written
	}
}

// admit makes room if there is none.
func (c *crowd) admit(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= c.most {
		var longest *member
		place := uint64(0)
		for other := range c.open {
			if at := other.idle.Load(); at != 0 && (longest == nil || at < place) {
				longest, place = other, at
			}
		}
		if longest == nil {
			return false
		}
		delete(c.open, longest)
		_ = longest.Conn.Close() // its reader sees the end
	}
	c.open[m] = struct{}{}
	return true
}

// Close gives the place back.
func (m *member) Close() error {
	m.crowd.mu.Lock()
	delete(m.crowd.open, m)
	m.crowd.mu.Unlock()
	return m.Conn.Close()
}

// noteState follows which connections are idle (http.Server.ConnState).
func (c *crowd) noteState(conn net.Conn, state http.ConnState) {
	if encrypted, is := conn.(*tls.Conn); is {
		conn = encrypted.NetConn()
	}
	m, is := conn.(*member)
	if !is {
		return
	}
	if state == http.StateIdle {
		m.idle.Store(c.order.Add(1))
	} else {
		m.idle.Store(0)
	}
}
