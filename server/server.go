// Package server serves what was declared: an OAuth 2.0 authorization server with its
// pages. Its declarations arrive as snapshots through Publish; people's data lives in the
// store. It never sees Kubernetes.
//
// Start reading at routes in routes.go: one line an endpoint, each in the file of its
// name. endpoint.go turns a request into a call and an answer into bytes.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Config is what a Server is made of.
type Config struct {
	// Issuer is the URL of this server: https, without path or query; http only on
	// loopback (--dev).
	Issuer  string
	Store   *store.DB
	Keyring *keyring.Keyring
	Log     *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// RateLimitScale multiplies every rate limit; 0 switches them off (load tests only).
	RateLimitScale float64
	// MaxInFlight is how many requests may be at work at once; those beyond it are answered
	// 503. 0 is 256 for each core.
	MaxInFlight int
	// Outbound says which addresses may be reached where a declaration points to.
	Outbound outbound.Options
	// UnknownClusterKey is called when the token of a ServiceAccount is signed by a key that
	// UseCluster did not bring; it returns at once. Nil: there is no cluster.
	UnknownClusterKey func()
	// Mail sends letters to people; nil: none are sent, and the pages say so.
	Mail Mailer
	// AuditRetention is how long audit events are kept; 0: for ever.
	AuditRetention time.Duration
	// Registry takes the server's metrics; nil: none are kept.
	Registry prometheus.Registerer
}

// Server answers HTTP requests from the last published snapshot.
type Server struct {
	Config
	cache *store.Cache

	publishing sync.Mutex
	adoptions  adoptions
	world      atomic.Pointer[decide.World]

	router  router
	metrics *metrics
	services
}

// New makes a Server; it answers 503 until the first Publish.
func New(_ context.Context, c Config) (*Server, error) {
	if c.Issuer == "" || c.Store == nil || c.Keyring == nil {
		return nil, errors.New("make server: an issuer, a store and a keyring are needed")
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the clock that everything else is handed
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Config: c, cache: store.NewCache(c.Store), metrics: newMetrics(c.Registry)}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("make server: %w", err)
	}
	s.router = newRouter(append(s.routes(), s.pageRoutes()...))
	return s, nil
}

// sweepEvery is how often what has expired is removed.
const sweepEvery = time.Minute

// Run follows the store's changes and sweeps what has expired until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var background sync.WaitGroup
	defer background.Wait()
	defer s.errands.wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before anybody is waited for
	followed := make(chan error, 1)
	go func() { followed <- s.cache.Run(ctx) }()
	background.Go(func() { s.upstreams.Run(ctx) })
	background.Go(func() { s.rechecks.run(ctx) })
	background.Go(func() { s.tellSignOuts(ctx) })
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return <-followed
		case err := <-followed:
			return err
		case <-tick.C:
			if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("sweep the store", "error", err)
			}
		}
	}
}

// sweep removes what has expired, a small batch at a time, so that no request waits long.
func (s *Server) sweep(ctx context.Context) error {
	for {
		gone, err := s.Store.Sweep(ctx, s.Now())
		if err != nil {
			return err
		}
		if s.AuditRetention > 0 {
			old, err := s.Store.SweepEvents(ctx, s.Now().Add(-s.AuditRetention))
			if err != nil {
				return err
			}
			gone += old
		}
		if gone == 0 {
			return nil
		}
	}
}

// Publish serves the snapshot from the next request on. It first records new and gone
// objects in the store; when that fails the error is returned, and of the new snapshot
// only removals and suspensions are served: the rest stays as it was.
func (s *Server) Publish(ctx context.Context, next *model.Snapshot) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	now := s.Now()
	declared, err := s.withUnread(ctx, next, present(next))
	var gone map[string]store.Object
	if err == nil {
		gone, err = s.Store.SyncObjects(ctx, declared, now)
	}
	var lifted absences
	if err == nil {
		lifted, err = s.adopted(ctx)
	}
	if err == nil {
		gone, err = s.rememberMissed(ctx, next, declared, gone, lifted, now)
	}
	if err == nil {
		err = s.rememberPolicy(ctx, next)
	}
	if err != nil {
		if old := s.world.Load(); old != nil {
			s.serve(subtract(old, next, now))
		}
		return fmt.Errorf("record what is declared: %w", err)
	}
	world := &decide.World{Snapshot: next, Gone: make(map[string]time.Time, len(gone))}
	for uid, o := range gone {
		if id := next.ID(uid); !lifted.covers(uid, id, o.GoneAt) {
			world.Gone[id] = o.GoneAt
		}
	}
	s.serve(world)
	return nil
}

func (s *Server) serve(w *decide.World) {
	for _, err := range s.upstreams.Configure(slices.Collect(w.AllProviders())) {
		s.Log.Error("nobody signs in by a provider", "error", err)
	}
	s.world.Store(w)
	s.metrics.serving(w.Digest)
}

// UseKeys signs and verifies tokens with another state of the same keyring from the next
// request on.
func (s *Server) UseKeys(keys *keyring.Keyring) { s.tokens.Use(keys) }

// UseCluster takes the tokens of ServiceAccounts that the issuer's keys signed, from the
// next request on: those that applications list.
func (s *Server) UseCluster(issuer string, keys []jwk.Key) {
	s.clients.UseCluster(clientauth.Cluster{Issuer: issuer, Keys: keys})
}

// Handler serves the public endpoints.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// Ready is nil once a snapshot is served and the store answers; else it says what is
// missing.
func (s *Server) Ready(ctx context.Context) error {
	if s.world.Load() == nil {
		return errors.New("no configuration has been published yet")
	}
	if _, err := s.Store.KnownKeys(ctx); err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	return nil
}
