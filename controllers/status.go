package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
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
	// statusAtOnce and statusEvery bound the writes of one object: that many at once, then one
	// in that time. Whoever changes an object all the time costs the others nothing, and gets
	// the last verdict a moment later.
	statusAtOnce = 10
	statusEvery  = time.Second
)

// statusWriter is the only writer of status. It knows the verdict on every object at all
// times; while this replica leads it applies those that differ from what is stored.
type statusWriter struct {
	client       client.Client
	world        *world
	installation string
	probe        func(uid string) compile.Probe
	herald       *herald
	clock        clock.WithTicker
	log          logr.Logger
	work         worklist

	mu       sync.Mutex
	verdicts map[model.ObjectID]verdict
	judged   []*compile.Report          // what the verdicts are on
	served   []*compile.Report          // as of the last Publish that succeeded
	refused  map[model.ObjectID]bool    // whose verdict is that the store refused them
	written  map[model.ObjectID]written // while leading
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
	pace        pace
}

func newStatusWriter(c client.Client, w *world, recorder events.EventRecorder, o Options) *statusWriter {
	return &statusWriter{
		client: c, world: w, installation: o.Installation, probe: o.Probe, herald: newHerald(recorder, o.Clock),
		clock: o.Clock, log: o.Log.WithName("status"),
		work:     worklist{clock: o.Clock, workers: statusWorkers, soonest: 100 * time.Millisecond, latest: 30 * time.Second},
		verdicts: map[model.ObjectID]verdict{},
	}
}

// replace takes the verdicts on the whole world. After a Publish that failed, what is no
// longer as it was published last is not programmed.
func (s *statusWriter) replace(result compile.Result, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes(s.judged, result.Reports, func(gone *compile.Report) {
		delete(s.verdicts, gone.Object)
		delete(s.written, gone.Object)
	}, func(fresh *compile.Report) {
		s.say(verdict{fresh, compile.Programmed{Reason: v1alpha1.ReasonProgrammed}})
	})
	s.judged = result.Reports
	before, refused := s.refused, map[model.ObjectID]bool{}
	if failed == nil {
		s.served = result.Reports
	}
	changes(s.served, result.Reports, func(*compile.Report) {}, func(unserved *compile.Report) {
		refused[unserved.Object] = true
		s.say(verdict{unserved, compile.Programmed{
			Reason:  v1alpha1.ReasonStorageError,
			Message: "The store refused a write, so this is not served yet; it is tried again. The server's log has the cause.",
		}})
	})
	for id := range before {
		if v, judged := s.verdicts[id]; judged && !refused[id] {
			s.say(verdict{v.report, compile.Programmed{Reason: v1alpha1.ReasonProgrammed}})
		}
	}
	s.refused = refused
}

// say keeps a verdict; s.mu is held.
func (s *statusWriter) say(v verdict) {
	id := v.report.Object
	if s.verdicts[id] == v {
		return
	}
	s.verdicts[id] = v
	s.work.add(id)
}

// wake looks at one object again: it changed in something that is not its declaration. It
// reports whether there is a verdict on it.
func (s *statusWriter) wake(id model.ObjectID) (judged bool) {
	s.work.add(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, judged = s.verdicts[id]
	return judged
}

// followProbes looks at every AuthProvider again whenever something else was seen of one.
func (s *statusWriter) followProbes(ctx context.Context, probed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-probed:
		}
		for _, id := range s.everything() {
			if id.Kind == kindProvider {
				s.work.add(id)
			}
		}
	}
}

// lead writes until ctx ends.
func (s *statusWriter) lead(ctx context.Context) {
	s.forget()
	s.work.lead(ctx, s.everything, s.next)
	s.forget()
}

// forget what was written: another leader may have written since.
func (s *statusWriter) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = map[model.ObjectID]written{}
}

func (s *statusWriter) everything() []model.ObjectID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.verdicts))
}

// next works off one object, and returns after which time to look again.
func (s *statusWriter) next(ctx context.Context, id model.ObjectID) (time.Duration, error) {
	again, err := s.write(ctx, id)
	if err != nil && ctx.Err() == nil {
		s.log.Error(err, "write status", "kind", id.Kind, "namespace", id.Namespace, "name", id.Name)
	}
	return again, err
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
	want, base := s.status(v, now), stored.objectStatus
	if last.status.value != nil {
		base = last.status // the cache may not have our own write yet
	}
	stamp(want.conditions, base.conditions, now)
	if stored.equal(want) {
		s.arrived(id, stored.version)
		return v.nextBound(now), nil
	}
	if last.same(want, stored.version) {
		return v.nextBound(now), nil
	}
	if wait := last.at.Add(countsEvery).Sub(now); wait > 0 && last.status.differsInCountsOnly(want) {
		return wait, nil
	}
	if wait := s.pace(id, now); wait > 0 {
		return wait, nil
	}
	version, err := s.apply(ctx, id, want, last.onto(stored.version))
	if err != nil || version == "" {
		return 0, err
	}
	if !s.world.ends(id.Namespace) { // it would take no Event
		s.herald.tell(id, readyOf(base.conditions), readyOf(want.conditions))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[id] = written{want, stored.version, version, now, s.written[id].pace}
	return v.nextBound(now), nil
}

// pace counts a write of an object's status, also one that is going to be refused because the
// object has changed meanwhile, and returns 0; or counts nothing and returns how long to wait.
func (s *statusWriter) pace(id model.ObjectID, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, judged := s.verdicts[id]; !judged { // it is gone, and nothing is remembered of it
		return 0
	}
	last := s.written[id]
	wait := last.pace.spend(now, statusAtOnce, statusEvery)
	s.written[id] = last
	return wait
}

// arrived forgets what was applied, which would cost the memory of a second status for each
// object: the cache has it now. How often it was written is kept, and an Organization's
// status, to coalesce its counts.
func (s *statusWriter) arrived(id model.ObjectID, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.written[id]; id.Kind != kindOrganization && last.now == version {
		s.written[id] = written{pace: last.pace}
	}
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

// readyOf finds Ready; the zero one before the first verdict.
func readyOf(conditions []metav1.Condition) metav1.Condition {
	for _, c := range conditions {
		if c.Type == v1alpha1.Ready {
			return c
		}
	}
	return metav1.Condition{}
}

// objectStatus is the status of an object of any of the four kinds.
type objectStatus struct {
	value      any                // pointer to the kind's own type
	conditions []metav1.Condition // those of value
}

// status is what the object should say of itself, without the times of its conditions.
func (s *statusWriter) status(v verdict, now time.Time) objectStatus {
	switch v.report.Object.Kind {
	case kindOrganization:
		all := v.report.OrganizationStatus(v.programmed, now)
		all.Installation = s.installation
		return objectStatus{&all, all.Conditions}
	case kindApplication:
		all := v.report.ApplicationStatus(v.programmed, now)
		all.Installation = s.installation
		return objectStatus{&all, all.Conditions}
	case kindRole:
		all := v.report.RoleStatus(v.programmed, now)
		all.Installation = s.installation
		return objectStatus{&all, all.Conditions}
	default:
		var seen compile.Probe
		if s.probe != nil {
			seen = s.probe(v.report.Object.UID)
		}
		all := v.report.ProviderStatus(v.programmed, seen, now)
		all.Installation = s.installation
		return objectStatus{&all, all.Conditions}
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
