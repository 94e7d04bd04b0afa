package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	// statusWorkers bounds the writes under way at one time.
	statusWorkers = 16
	// countsEvery bounds how often an Organization is written for its counts alone.
	countsEvery = time.Second
)

// statusWriter is the only writer of status. It knows the verdict on every object at all
// times; while this replica leads it applies those that differ from what is stored.
type statusWriter struct {
	client       client.Client
	world        *world
	installation string
	clock        clock.WithTicker
	log          logr.Logger

	mu       sync.Mutex
	verdicts map[model.ObjectID]verdict
	served   map[model.ObjectID]*compile.Report // as of the last Publish that succeeded
	// While leading:
	queue   workqueue.TypedRateLimitingInterface[model.ObjectID]
	written map[model.ObjectID]written
}

// verdict is what Compile found and what became of publishing it.
type verdict struct {
	report     *compile.Report
	programmed compile.Programmed
}

// written is what this leader applied last: onto which version, giving which, and when.
type written struct {
	status      objectStatus
	before, now string
	at          time.Time
}

func newStatusWriter(c client.Client, w *world, o Options) *statusWriter {
	return &statusWriter{
		client: c, world: w, installation: o.Installation, clock: o.Clock, log: o.Log.WithName("status"),
		verdicts: map[model.ObjectID]verdict{}, served: map[model.ObjectID]*compile.Report{},
	}
}

// replace takes the verdicts on the whole world. After a Publish that failed, what is no
// longer as it was published last is not programmed.
func (s *statusWriter) replace(result compile.Result, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[model.ObjectID]verdict, len(result.Reports))
	served := make(map[model.ObjectID]*compile.Report, len(result.Reports))
	for _, r := range result.Reports {
		v := verdict{r, compile.Programmed{Reason: v1alpha1.ReasonProgrammed}}
		if failed != nil && s.served[r.Object] != r {
			v.programmed = compile.Programmed{
				Reason:  v1alpha1.ReasonStorageError,
				Message: "The store refused a write, so this is not served yet; it is tried again. The server's log has the cause.",
			}
		}
		next[r.Object], served[r.Object] = v, r
		if s.queue != nil && s.verdicts[r.Object] != v {
			s.queue.Add(r.Object)
		}
	}
	s.verdicts = next
	if failed == nil {
		s.served = served
	}
	for id := range s.written {
		if _, exists := next[id]; !exists {
			delete(s.written, id)
		}
	}
}

// wake looks at one object again: it changed in something that is not its declaration. It
// reports whether there is a verdict on it.
func (s *statusWriter) wake(id model.ObjectID) (judged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue != nil {
		s.queue.Add(id)
	}
	_, judged = s.verdicts[id]
	return judged
}

// lead writes until ctx ends.
func (s *statusWriter) lead(ctx context.Context) {
	q := s.open()
	var workers sync.WaitGroup
	for range statusWorkers {
		workers.Go(func() {
			for s.next(ctx, q) {
			}
		})
	}
	<-ctx.Done()
	s.mu.Lock()
	s.queue, s.written = nil, nil
	s.mu.Unlock()
	q.ShutDown()
	workers.Wait()
}

// open makes the queue, with everything in it: another leader may have left it undone.
func (s *statusWriter) open() workqueue.TypedRateLimitingInterface[model.ObjectID] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = map[model.ObjectID]written{}
	s.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[model.ObjectID](100*time.Millisecond, 30*time.Second),
		workqueue.TypedRateLimitingQueueConfig[model.ObjectID]{Clock: s.clock})
	for id := range s.verdicts {
		s.queue.Add(id)
	}
	return s.queue
}

// next works off one object; it is false once the queue has shut down.
func (s *statusWriter) next(ctx context.Context, q workqueue.TypedRateLimitingInterface[model.ObjectID]) bool {
	id, down := q.Get()
	if down {
		return false
	}
	defer q.Done(id)
	again, err := s.write(ctx, id)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.Error(err, "write status", "kind", id.Kind, "namespace", id.Namespace, "name", id.Name)
		q.AddRateLimited(id)
	default:
		q.Forget(id)
		if again > 0 {
			q.AddAfter(id, again)
		}
	}
	return true
}

// write brings the stored status of one object up to date. It returns after which time to
// look again, 0 for never.
func (s *statusWriter) write(ctx context.Context, id model.ObjectID) (time.Duration, error) {
	s.mu.Lock()
	v, judged := s.verdicts[id]
	last := s.written[id]
	s.mu.Unlock()
	stored, exists := s.world.status(id)
	if !judged || !exists {
		return 0, nil
	}
	now := s.clock.Now()
	want, base := v.status(now, s.installation), stored.objectStatus
	if last.status.value != nil {
		base = last.status // the cache may not have our own write yet
	}
	stamp(want.conditions, base.conditions, now)
	if stored.equal(want) || last.same(want, stored.version) {
		return v.nextBound(now), nil
	}
	if wait := last.at.Add(countsEvery).Sub(now); wait > 0 && last.status.differsInCountsOnly(want) {
		return wait, nil
	}
	version, err := s.apply(ctx, id, want, last.onto(stored.version))
	if err != nil || version == "" {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written != nil {
		s.written[id] = written{want, stored.version, version, now}
	}
	return v.nextBound(now), nil
}

// apply writes the status onto a version and returns the object's new one; none if the
// object is no longer as it was seen, which its own event tells.
func (s *statusWriter) apply(ctx context.Context, id model.ObjectID, want objectStatus, version string) (string, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want.value)
	if err != nil {
		return "", fmt.Errorf("encode status: %w", err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       id.Kind,
		// The UID is a precondition: a verdict on a deleted object must not be written to
		// its successor. So is the version: of two installations that both see no owner,
		// one becomes it, and nobody takes an object back from whom it was given to.
		"metadata": map[string]any{"namespace": id.Namespace, "name": id.Name, "uid": id.UID, "resourceVersion": version},
		"status":   fields,
	}}
	err = s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("gatehouse-"+s.installation), client.ForceOwnership)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("apply: %w", err)
	}
	return u.GetResourceVersion(), nil
}

// onto is the object's version as far as it is known, if the cache has the one that is
// seen: our own write may still be on its way to it.
func (w written) onto(seen string) string {
	if w.before == seen && w.now != "" {
		return w.now
	}
	return seen
}

// same reports that want was applied already, and that the object is as it was just
// before or just after: there is nothing to say, or our own write is still on its way.
func (w written) same(want objectStatus, version string) bool {
	return (version == w.before || version == w.now) && w.status.equal(want)
}

// nextBound is the time to the next moment at which the verdict changes by itself.
func (v verdict) nextBound(now time.Time) time.Duration {
	i := slices.IndexFunc(v.report.NextBounds, now.Before)
	if i < 0 {
		return 0
	}
	return v.report.NextBounds[i].Sub(now)
}

// stamp sets the transition times: a condition keeps its time while its status stays.
func stamp(conditions, before []metav1.Condition, now time.Time) {
	for i := range conditions {
		c := &conditions[i]
		c.LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
		for _, b := range before {
			if b.Type == c.Type && b.Status == c.Status {
				c.LastTransitionTime = b.LastTransitionTime
			}
		}
	}
}

// objectStatus is the status of an object of any of the four kinds.
type objectStatus struct {
	value      any                // pointer to the kind's own type
	conditions []metav1.Condition // those of value
}

// status is what the object should say of itself, without the times of its conditions.
func (v verdict) status(now time.Time, installation string) objectStatus {
	switch v.report.Object.Kind {
	case kindOrganization:
		s := v.report.OrganizationStatus(v.programmed, now)
		s.Installation = installation
		return objectStatus{&s, s.Conditions}
	case kindApplication:
		s := v.report.ApplicationStatus(v.programmed, now)
		s.Installation = installation
		return objectStatus{&s, s.Conditions}
	case kindRole:
		s := v.report.RoleStatus(v.programmed, now)
		s.Installation = installation
		return objectStatus{&s, s.Conditions}
	default:
		s := v.report.ProviderStatus(v.programmed, now)
		s.Installation = installation
		return objectStatus{&s, s.Conditions}
	}
}

func statusOf(o client.Object) objectStatus {
	switch o := o.(type) {
	case *v1alpha1.Organization:
		return objectStatus{&o.Status, o.Status.Conditions}
	case *v1alpha1.ApiApplication:
		return objectStatus{&o.Status, o.Status.Conditions}
	case *v1alpha1.Role:
		return objectStatus{&o.Status, o.Status.Conditions}
	case *v1alpha1.AuthProvider:
		return objectStatus{&o.Status, o.Status.Conditions}
	}
	return objectStatus{}
}

func (s objectStatus) equal(other objectStatus) bool {
	return equality.Semantic.DeepEqual(s.value, other.value)
}

// differsInCountsOnly: the counts of an Organization follow its children and can change
// many times a second; nobody waits for them.
func (s objectStatus) differsInCountsOnly(other objectStatus) bool {
	a, isOrganization := s.value.(*v1alpha1.OrganizationStatus)
	b, same := other.value.(*v1alpha1.OrganizationStatus)
	if !isOrganization || !same {
		return false
	}
	counted := *a
	counted.Applications, counted.Roles, counted.Providers = b.Applications, b.Roles, b.Providers
	return equality.Semantic.DeepEqual(&counted, b)
}
