package controllers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// namespaces follows a list of namespaces with rights in each of them and none in the
// cluster. Each has a watch cache of its own, so that one that cannot be read holds up no
// other: it is left out, which is said, and joins when it can be read to the end.
//
// A namespace that was read and no longer can be is an outage, not absence: what was last
// seen in it stays in service. Only a list that succeeds takes an object away.
//
// It is a source of the publisher, and the reader of those caches.
type namespaces struct {
	names   []string
	log     logr.Logger
	metrics *clusterMetrics
	world   *world
	feed    func(name string) (cache.Cache, error)
	key     model.Sensitive
	touched func(model.ObjectID) bool

	mu     sync.Mutex
	each   map[string]*followed
	change chan struct{} // closed and replaced when one of them changes
}

// followed is what is known of one namespace.
type followed struct {
	cache   cache.Cache
	whole   bool            // it was read to the end, once
	refused map[string]bool // resources that the API server refused when they were last asked for
}

func newNamespaces(o Options, w *world, m *clusterMetrics) *namespaces {
	n := &namespaces{
		names: o.Namespaces, log: o.Log.WithName("namespaces"), metrics: m, world: w, key: o.DigestKey,
		each: map[string]*followed{}, change: make(chan struct{}),
	}
	for _, name := range n.names {
		n.each[name] = &followed{refused: map[string]bool{}}
		m.namespace(name, false)
	}
	return n
}

// Start follows each namespace until ctx ends.
func (n *namespaces) Start(ctx context.Context, q queue) error {
	for _, name := range n.names {
		c, err := n.feed(name)
		if err != nil {
			return fmt.Errorf("make watch cache of namespace %s: %w", name, err)
		}
		n.update(name, func(f *followed) { f.cache = c })
		go func() { _ = c.Start(ctx) }() // it ends with ctx
		go n.join(ctx, name, c, q)
	}
	return nil
}

// join waits until everything in a namespace was read, and has it judged with the rest.
func (n *namespaces) join(ctx context.Context, name string, c cache.Cache, q queue) {
	sources := n.world.objects(c, n.key, n.touched)
	for _, s := range sources {
		_ = s.Start(ctx, q) // it fails for a source without a cache, a type or a handler only
	}
	for _, s := range sources {
		if err := s.WaitForSync(ctx); err != nil || ctx.Err() != nil {
			return
		}
	}
	n.world.join(name)
	n.update(name, func(f *followed) { f.whole = true })
	q.Add(theKey)
}

// join makes what a namespace declares count.
func (w *world) join(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.joined[namespace] = true
}

// WaitForSync returns once every namespace was either read or refused: one of which nothing
// is known, because the API server does not answer, is waited for.
func (n *namespaces) WaitForSync(ctx context.Context) error {
	for {
		n.mu.Lock()
		decided, change := true, n.change
		for _, f := range n.each {
			decided = decided && f.state() != unknown
		}
		n.mu.Unlock()
		if decided {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-change:
		}
	}
}

// answered notes how the API server answered when a resource was asked for.
func (n *namespaces) answered(name, resource string, status int) {
	switch {
	case status == http.StatusForbidden:
		n.update(name, func(f *followed) { f.refused[resource] = true })
	case status < http.StatusBadRequest:
		n.update(name, func(f *followed) { delete(f.refused, resource) })
	}
}

// update changes what is known of a namespace, and logs it if it is left out, lost or back.
func (n *namespaces) update(name string, change func(*followed)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.each[name]
	before := f.state()
	change(f)
	close(n.change)
	n.change = make(chan struct{})
	after := f.state()
	n.metrics.namespace(name, after == readable)
	switch {
	case after == before:
	case after == readable:
		n.log.Info("namespace is followed", "namespace", name)
	case after != unknown:
		n.log.Info(f.remark(name))
	}
}

// The states of a namespace.
const (
	unknown  = iota // the API server has not answered everything yet
	leftOut         // it was refused, and never read
	readable        // it was read, and nothing was refused since
	lost            // it was read, and is refused now
)

func (f *followed) state() int {
	switch {
	case f.whole && len(f.refused) == 0:
		return readable
	case f.whole:
		return lost
	case len(f.refused) > 0:
		return leftOut
	default:
		return unknown
	}
}

// remark says what is wrong with a namespace; empty for nothing.
func (f *followed) remark(name string) string {
	resources := strings.Join(slices.Sorted(maps.Keys(f.refused)), ", ")
	switch f.state() {
	case lost:
		return fmt.Sprintf("namespace %s can no longer be read, and what it declared last stays in service; refused: %s; "+
			"bind the Role of config/rbac/namespace there again, or take it out of --namespaces", name, resources)
	case leftOut:
		return fmt.Sprintf("namespace %s is left out: it does not exist, or must not be read; refused: %s; "+
			"bind the Role of config/rbac/namespace there", name, resources)
	default:
		return ""
	}
}

func (n *namespaces) remarks() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, name := range n.names {
		if said := n.each[name].remark(name); said != "" {
			all = append(all, said)
		}
	}
	return all
}

// Get reads from the watch cache of the namespace.
func (n *namespaces) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	n.mu.Lock()
	var c cache.Cache
	if f := n.each[key.Namespace]; f != nil && f.whole {
		c = f.cache
	}
	n.mu.Unlock()
	if c == nil {
		return fmt.Errorf("namespace %s is not followed", key.Namespace)
	}
	return c.Get(ctx, key, o, opts...)
}

// List is not served: what is there is in the world.
func (n *namespaces) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return fmt.Errorf("lists are not served with --namespaces")
}

// watchCache makes the watch cache of one namespace, over a client that notes the answers.
func (c *Cluster) watchCache(mgr ctrl.Manager, n *namespaces, name string) (cache.Cache, error) {
	h := *mgr.GetHTTPClient()
	h.Transport = hearing{h.Transport, func(resource string, status int) { n.answered(name, resource, status) }}
	o := c.cacheOptions()
	o.HTTPClient, o.Scheme, o.Mapper = &h, mgr.GetScheme(), mgr.GetRESTMapper()
	o.DefaultNamespaces = map[string]cache.Config{name: {}}
	o.DefaultWatchErrorHandler = func(ctx context.Context, r *toolscache.Reflector, err error) {
		if !apierrors.IsForbidden(err) { // which the namespace's remark says
			c.progress.cannotRead(name+"/"+r.TypeDescription(), err)
			toolscache.DefaultWatchErrorHandler(ctx, r, err)
		}
	}
	return cache.New(c.Config, o)
}

// hearing tells how reads were answered. A status is of the API server's own making: one
// that does not answer has none.
type hearing struct {
	next http.RoundTripper
	tell func(resource string, status int)
}

func (l hearing) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/namespaces/") {
		l.tell(path.Base(r.URL.Path), answer.StatusCode)
	}
	return answer, err
}
