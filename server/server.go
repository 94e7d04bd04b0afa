// Package server serves what was declared: an OAuth 2.0 authorization server with its
// pages. Its declarations arrive as snapshots through Publish; people's data lives in the
// store. It never sees Kubernetes.
//
// Start reading at Routes in this file: one line an endpoint, each in the file of its
// name. endpoint.go turns a request into a call and an answer into bytes.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/internal/model"
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
}

// Server answers HTTP requests from the last published snapshot.
type Server struct{}

// New makes a Server; it answers 503 until the first Publish.
func New(ctx context.Context, c Config) (*Server, error) { panic("not written yet") }

// Run follows the store's changes and sweeps what has expired until ctx ends.
func (s *Server) Run(ctx context.Context) error { panic("not written yet") }

// Publish serves the snapshot from the next request on. It first records new and gone
// objects in the store; when that fails the error is returned, and of the new snapshot
// only removals and suspensions are served: the rest stays as it was.
func (s *Server) Publish(ctx context.Context, next *model.Snapshot) error {
	panic("not written yet")
}

// Handler serves the public endpoints.
func (s *Server) Handler() http.Handler { panic("not written yet") }

// Ready is nil once a snapshot is served and the store answers; else it says what is
// missing.
func (s *Server) Ready(ctx context.Context) error { panic("not written yet") }
