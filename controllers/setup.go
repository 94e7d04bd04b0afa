// Package controllers serves what a cluster declares: it watches the four kinds, has them
// compiled, hands the snapshot to Publish, and says in status what was judged.
//
// It decides nothing about a declaration, never writes a spec, asks for no Secret without
// our label, and never ends because the API server went away: what was published last
// stays in service. Every replica gathers and publishes; only the leader writes status and
// the Secrets of generated client secrets (credentials.go).
//
// Start reading at Reconcile in publisher.go: gather, compile, publish, status. What is
// observed of the cluster besides, by every replica, is in clusterkeys.go.
package controllers

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
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

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
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
	// Installation tells installations in one cluster apart; it names the Lease and the
	// field owner of status, `gatehouse-<installation>`.
	Installation string
	// Issuer and Dev are what Compile knows of the installation; see compile.Input.
	Issuer string
	Dev    bool
	// DigestKey is the key under which client secrets are digested.
	DigestKey model.Sensitive
	// Publish serves a snapshot. While it fails it is called again, with backoff.
	Publish func(context.Context, *model.Snapshot) error
	// ServiceAccountKeys takes the issuer of ServiceAccounts' tokens with its keys, whenever
	// they were read; nil: nobody needs them.
	ServiceAccountKeys func(issuer string, keys []jwk.Key)
	// Log gets what operators should see; libraries below write to it too, one level lower.
	Log logr.Logger
	// Clock is the time; nil is the real one.
	Clock clock.WithTicker

	lease leaseTimes // zero is the usual ones
}

// Cluster follows the declarations of one cluster.
type Cluster struct {
	Options
	progress  progress
	keysAsked chan struct{} // newer keys of ServiceAccounts' tokens
}

// New makes a Cluster; Run starts it.
func New(o Options) *Cluster {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.lease == (leaseTimes{}) {
		o.lease = usualLease
	}
	adoptLogs(o.Log)
	return &Cluster{
		Options: o, progress: progress{phase: "the Kubernetes API server has not answered yet"},
		keysAsked: make(chan struct{}, 1),
	}
}

// Ready is nil once a snapshot of the cluster was published, and stays nil; until then it
// says what is missing.
func (c *Cluster) Ready() error { return c.progress.err() }

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
	mgr, err := ctrl.NewManager(c.Config, c.managerOptions())
	if err != nil {
		return fmt.Errorf("make manager: %w", err)
	}
	world := newWorld()
	status := newStatusWriter(mgr.GetClient(), world, c.Options)
	secrets := newCredentialsWriter(mgr.GetClient(), world, mgr.GetEventRecorder("gatehouse"), c.Options)
	if err := c.addPublisher(mgr, &publisher{Options: c.Options, world: world, status: status, secrets: secrets, progress: &c.progress}); err != nil {
		return err
	}
	lead := func(ctx context.Context) {
		var writers sync.WaitGroup
		writers.Go(func() { status.lead(ctx) })
		writers.Go(func() { secrets.lead(ctx) })
		writers.Wait()
	}
	if err := mgr.Add(&leadership{Options: c.Options, lead: lead}); err != nil {
		return fmt.Errorf("add leadership: %w", err)
	}
	return mgr.Start(ctx)
}

// addPublisher watches everything that Compile looks at, all under one queue key.
func (c *Cluster) addPublisher(mgr ctrl.Manager, p *publisher) error {
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
	for _, s := range p.world.sources(mgr.GetCache(), c.DigestKey, p.status.wake) {
		if err := queue.Watch(s); err != nil {
			return fmt.Errorf("watch: %w", err)
		}
	}
	return nil
}

func (c *Cluster) managerOptions() ctrl.Options {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two types of one name: a mistake in this program
		}
	}
	sharedReads := true
	return ctrl.Options{
		Scheme:  scheme,
		Logger:  c.Log.V(1),
		Metrics: metricsserver.Options{BindAddress: "0"}, // served on the operations port
		Cache: cache.Options{
			DefaultTransform:             cache.TransformStripManagedFields(),
			DefaultUnsafeDisableDeepCopy: &sharedReads,
			DefaultWatchErrorHandler:     c.watchFailed,
			ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {
				Label:     visible,
				Transform: stripSecret,
			}},
		},
	}
}

// visible selects the only Secrets that are ever asked for.
var visible = func() labels.Selector {
	label, err := labels.NewRequirement(v1alpha1.SecretLabel, selection.In, []string{v1alpha1.SecretInput, v1alpha1.SecretOutput})
	if err != nil {
		panic(err) // constants
	}
	return labels.NewSelector().Add(*label)
}()

// Of a labelled Secret this much is kept, so that a tenant's large ones cost no memory: a
// client secret has 256 characters at the most, and one cut off here is too long for one.
const (
	secretKeys       = 64
	secretValueBytes = 512
)

// stripSecret drops what nobody reads; an annotation may even repeat the Secret's data. What
// is ours is written again as it is here, so its annotations stay.
func stripSecret(o any) (any, error) {
	s, ok := o.(*corev1.Secret)
	if !ok {
		return o, nil
	}
	s.ManagedFields = nil
	if s.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretOutput {
		s.Annotations = nil
	}
	for i, key := range slices.Sorted(maps.Keys(s.Data)) {
		if i >= secretKeys {
			delete(s.Data, key)
		} else if value := s.Data[key]; len(value) > secretValueBytes {
			s.Data[key] = slices.Clone(value[:secretValueBytes])
		}
	}
	return s, nil
}

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
