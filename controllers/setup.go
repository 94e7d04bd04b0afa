// Package controllers serves what a cluster declares: it watches the four kinds, has them
// compiled, hands the snapshot to Publish, and says in status what was judged.
//
// It decides nothing about a declaration, never writes a spec, asks for no Secret without
// our label, and never ends because the API server went away: what was published last
// stays in service. Every replica gathers and publishes; only the leader writes status and
// the Secrets of generated client secrets (credentials.go), and puts back the keyring
// (keyring_keeper.go), which is read before there is a leader (keyring.go).
//
// Start reading at Reconcile in publisher.go: gather, compile, publish, status. What is
// observed of the cluster besides, by every replica, is in clusterkeys.go.
package controllers

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What the installation may do in the cluster: config/rbac is generated from these lines.
//
// +kubebuilder:rbac:groups=auth.gatehouse.dev,resources=organizations;apiapplications;roles;authproviders,verbs=list;watch
// +kubebuilder:rbac:groups=auth.gatehouse.dev,resources=organizations/status;apiapplications/status;roles/status;authproviders/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=gatehouse-system,resources=leases,verbs=get;create;update

// Options are what a Cluster is made of.
type Options struct {
	// Config says how to reach the API server.
	Config *rest.Config
	// SystemNamespace holds the Lease and the installation-wide AuthProviders.
	SystemNamespace string
	// Namespaces are the only ones that are followed, besides the SystemNamespace, with
	// rights in each of them and none in the cluster; empty: the whole cluster is.
	Namespaces []string
	// Selector divides the objects of the four kinds between installations by their labels;
	// nil: all are followed.
	Selector labels.Selector
	// Installation tells installations in one cluster apart; it names the Lease and the
	// field owner of status, `gatehouse-<installation>`, and status.installation (owner.go).
	Installation string
	// Issuer and Dev are what Compile knows of the installation; see compile.Input.
	Issuer string
	Dev    bool
	// DigestKey is the key under which client secrets are digested.
	DigestKey model.Sensitive
	// Keyring keeps the Secret of the keys; nil: they do not live in the cluster.
	Keyring *KeyringKeeper
	// Publish serves a snapshot. While it fails it is called again, with backoff.
	Publish func(context.Context, *model.Snapshot) error
	// Metrics is where the controllers' metrics are registered; nil: nowhere.
	Metrics prometheus.Registerer
	// ServiceAccountKeys takes the issuer of ServiceAccounts' tokens with its keys, whenever
	// they were read; nil: nobody needs them.
	ServiceAccountKeys func(issuer string, keys []jwk.Key)
	// Probe is what was seen of the provider elsewhere that an AuthProvider with this UID
	// declares. It returns at once. Nil: nobody asks any.
	Probe func(uid string) compile.Probe
	// Log gets what operators should see; libraries below write to it too, one level lower.
	Log logr.Logger
	// Clock is the time; nil is the real one.
	Clock clock.WithTicker

	lease leaseTimes // zero is the usual ones
}

// Cluster follows the declarations of one cluster.
type Cluster struct {
	Options
	adopted    adopted
	progress   progress
	metrics    *clusterMetrics
	neighbours *neighbours
	namespaces atomic.Pointer[namespaces] // of the manager that runs; nil: none, or the whole cluster
	keysAsked  chan struct{}              // newer keys of ServiceAccounts' tokens
	probed     chan struct{}              // something else was seen of a provider
}

// Probed says that Probe returns something else than before. It returns at once.
func (c *Cluster) Probed() {
	select {
	case c.probed <- struct{}{}:
	default: // it is known already
	}
}

// Adopt takes the IDs, by UID, of the objects that go on as one before them, and has
// everything judged again. It is meant to be called before Run, and whenever they change.
func (c *Cluster) Adopt(ids map[string]string) { c.adopted.replace(ids) }

// New makes a Cluster; Run starts it.
func New(o Options) *Cluster {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.lease == (leaseTimes{}) {
		o.lease = usualLease
	}
	if len(o.Namespaces) > 0 {
		o.Namespaces = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.Namespaces), o.SystemNamespace))))
	}
	adoptLogs(o.Log)
	metrics := newClusterMetrics(o.Metrics)
	return &Cluster{
		Options: o, progress: progress{phase: "the Kubernetes API server has not answered yet"}, metrics: metrics,
		neighbours: &neighbours{log: o.Log.WithName("installations"), metrics: metrics}, keysAsked: make(chan struct{}, 1),
		probed: make(chan struct{}, 1),
	}
}

// Ready is nil once a snapshot of the cluster was published, and stays nil; until then it
// says what is missing.
func (c *Cluster) Ready() error { return c.progress.err() }

// Remarks say what is not served here though somebody may expect it, and the cure: it is no
// reason not to be ready.
func (c *Cluster) Remarks() []string {
	all := c.neighbours.remarks()
	if n := c.namespaces.Load(); n != nil {
		all = append(n.remarks(), all...)
	}
	return all
}

// Run follows the cluster until ctx ends and returns nil. If the watch machinery ends by
// itself, a fresh one is built; what was published stays in service meanwhile.
func (c *Cluster) Run(ctx context.Context) error {
	var besides sync.WaitGroup
	defer besides.Wait()
	if c.ServiceAccountKeys != nil {
		besides.Go(func() { c.followKeys(ctx) })
	}
	backoff := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: math.MaxInt32, Cap: 30 * time.Second}
	for ctx.Err() == nil {
		if err := c.follow(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error(err, "following the cluster ended; what was published stays in service, trying again")
		}
		select {
		case <-ctx.Done():
		case <-c.Clock.After(backoff.Step()):
		}
	}
	return nil
}

// follow runs one manager, from the moment its kinds exist to its end.
func (c *Cluster) follow(ctx context.Context) error {
	if err := c.awaitKinds(ctx); err != nil {
		return err
	}
	c.progress.set("the cluster's declarations are being read")
	world := newWorld(c.Options)
	var some *namespaces
	if len(c.Namespaces) > 0 {
		some = newNamespaces(c.Options, world, c.metrics)
	}
	c.namespaces.Store(some)
	mgr, err := ctrl.NewManager(c.reconnecting(), c.managerOptions(some))
	if err != nil {
		return fmt.Errorf("make manager: %w", err)
	}
	world.adopted = &c.adopted
	c.adopted.follow(world.again)
	recorder := mgr.GetEventRecorder("gatehouse")
	status := newStatusWriter(mgr.GetClient(), world, recorder, c.Options)
	secrets := newCredentialsWriter(mgr.GetClient(), world, recorder, c.Options)
	if err := c.addPublisher(mgr, some, &publisher{
		Options: c.Options, world: world, status: status, secrets: secrets, neighbours: c.neighbours, progress: &c.progress,
	}); err != nil {
		return err
	}
	lead := func(ctx context.Context) {
		var writers sync.WaitGroup
		writers.Go(func() { status.lead(ctx) })
		writers.Go(func() { status.followProbes(ctx, c.probed) })
		writers.Go(func() { secrets.lead(ctx) })
		if c.Keyring != nil {
			writers.Go(func() { c.Keyring.lead(ctx, mgr.GetEventRecorder("gatehouse"), c.Clock, c.Log.WithName("keyring")) })
		}
		writers.Wait()
	}
	if err := mgr.Add(&leadership{Options: c.Options, lead: lead}); err != nil {
		return fmt.Errorf("add leadership: %w", err)
	}
	return mgr.Start(ctx)
}

// addPublisher watches everything that Compile looks at, all under one queue key.
func (c *Cluster) addPublisher(mgr ctrl.Manager, some *namespaces, p *publisher) error {
	unique := true
	queue, err := controller.New("publisher", mgr, controller.Options{
		Reconciler:       p,
		CacheSyncTimeout: math.MaxInt64, // an absent answer is waited for, never taken for an absent object
		RateLimiter:      workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, 10*time.Second),
		// The name is taken once a manager was built afresh.
		SkipNameValidation: &unique,
	})
	if err != nil {
		return fmt.Errorf("make publisher: %w", err)
	}
	sources := []source.Source{p.world.start()}
	if some != nil {
		some.touched = p.touched
		some.feed = func(name string) (cache.Cache, error) { return c.watchCache(mgr, some, name) }
		sources = append(sources, some)
	} else {
		for _, s := range p.world.objects(mgr.GetCache(), c.DigestKey, p.touched) {
			sources = append(sources, s)
		}
		sources = append(sources, p.world.grants(mgr.GetCache()))
	}
	for _, s := range sources {
		if err := queue.Watch(s); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

func (c *Cluster) managerOptions(some *namespaces) ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one name: a mistake in this program
		}
	}
	o := ctrl.Options{
		Scheme:  scheme,
		Logger:  c.Log.V(1),
		Metrics: metricsserver.Options{BindAddress: "0"}, // served on the operations port
		Cache:   c.cacheOptions(),
	}
	if some != nil {
		o.NewClient = func(config *rest.Config, o client.Options) (client.Client, error) {
			o.Cache.Reader = some
			return client.New(config, o)
		}
	}
	return o
}

// cacheOptions are those of every watch cache.
func (c *Cluster) cacheOptions() cache.Options {
	sharedReads := true
	o := cache.Options{
		DefaultTransform:             newTransform(),
		DefaultUnsafeDisableDeepCopy: &sharedReads,
		DefaultWatchErrorHandler:     c.watchFailed,
		ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {
			Label:     visible,
			Transform: stripSecret,
		}},
	}
	if c.Selector != nil {
		for _, kind := range []client.Object{&v1alpha1.Organization{}, &v1alpha1.ApiApplication{}, &v1alpha1.Role{}, &v1alpha1.AuthProvider{}} {
			o.ByObject[kind] = cache.ByObject{Label: c.Selector}
		}
	}
	return o
}

// visible selects the only Secrets that are ever asked for.
var visible = func() labels.Selector {
	label, err := labels.NewRequirement(v1alpha1.SecretLabel, selection.In, []string{v1alpha1.SecretInput, v1alpha1.SecretOutput})
	if err != nil {
		panic(err) // constants
	}
	return labels.NewSelector().Add(*label)
}()

// watchFailed keeps the reason why a kind cannot be read for Ready; the informer tries on.
func (c *Cluster) watchFailed(ctx context.Context, r *toolscache.Reflector, err error) {
	c.progress.cannotRead(r.TypeDescription(), err)
	toolscache.DefaultWatchErrorHandler(ctx, r, err)
}

var logsAdopted sync.Once

// adoptLogs sends what the libraries below log where the installation's own lines go: their
// errors, and what they tell of their inner life only to who asks for more.
func adoptLogs(log logr.Logger) {
	logsAdopted.Do(func() {
		ctrl.SetLogger(log.V(1))
		klog.SetLogger(log.V(1))
	})
}

// namespaceMetadata is the watched form of Namespaces: their metadata is all that we read.
func namespaceMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}
