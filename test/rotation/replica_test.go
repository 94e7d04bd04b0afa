package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server"
)

// replica is one of the two. Its controllers end and start again as a process would; to its
// server nobody is sent meanwhile, unless no other is there.
type replica struct {
	in        *installation
	server    *server.Server
	options   controllers.Options
	published atomic.Pointer[model.Snapshot]
	follows   atomic.Bool // its controllers run and have published
	leads     atomic.Bool
	stop      func() // ends the controllers; twice is as good as once
}

func (r *replica) publish(ctx context.Context, s *model.Snapshot) error {
	err := r.server.Publish(ctx, s)
	if err == nil {
		r.published.Store(s)
	}
	return err
}

// next is who gets the next request.
func (in *installation) next(turn *atomic.Int64) *replica {
	for range in.replicas {
		if r := in.replicas[int(turn.Add(1))%len(in.replicas)]; r.follows.Load() {
			return r
		}
	}
	return in.replicas[0]
}

// known is nil when every replica serves what is listed in the Secret: in the time that the
// clock skips, they would have come to know it.
func (in *installation) known() error {
	list, err := in.list()
	if err != nil {
		return err
	}
	for i, r := range in.replicas {
		_, app := r.published.Load().Application("acme.acme.ci")
		if r.follows.Load() && (app == nil || !slices.EqualFunc(app.Secrets, list, same)) {
			return fmt.Errorf("replica %d does not know the %d that are listed", i, len(list))
		}
	}
	return nil
}

func same(served model.ClientSecret, listed credential.Credential) bool {
	return served.Digest == listed.Digest
}

// log follows who leads.
func (r *replica) log() logr.Logger {
	return funcr.New(func(_, args string) {
		switch {
		case strings.Contains(args, "not leading"):
			r.leads.Store(false)
		case strings.Contains(args, "leading: writing"):
			r.leads.Store(true)
		}
	}, funcr.Options{})
}

// start starts the controllers and waits until they have published.
func (r *replica) start() {
	r.in.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, done := controllers.New(r.options), make(chan struct{})
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			r.in.t.Errorf("Run: %v", err)
		}
	}()
	r.stop = func() {
		r.follows.Store(false)
		cancel()
		<-done
		r.leads.Store(false)
	}
	r.in.eventually("ready", c.Ready)
	r.follows.Store(true)
}

// leader waits until one leads.
func (in *installation) leader() (leads *replica) {
	in.t.Helper()
	in.eventually("led", func() error {
		for _, r := range in.replicas {
			if r.leads.Load() {
				leads = r
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return leads
}
