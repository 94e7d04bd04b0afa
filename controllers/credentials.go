package controllers

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/output"
)

const (
	// credentialsWorkers bounds the writes under way at one time.
	credentialsWorkers = 4
	// ownWrite is how long a Secret that was just made may take to be seen.
	ownWrite = 10 * time.Second
	// secretAtOnce and secretEvery bound the writes of one application's Secret: that many at
	// once, then one in that time. Whoever spoils it all the time costs the others nothing.
	secretAtOnce = 10
	secretEvery  = time.Second
)

// credentialsWriter is the only writer of Secrets. It knows at all times what every
// application wants; while this replica leads it takes the next step for each.
type credentialsWriter struct {
	client       client.Client // reads from the watch cache alone
	world        *world
	installation string
	keeper       *output.Keeper
	events       events.EventRecorder
	clock        clock.WithTicker
	log          logr.Logger
	work         worklist

	mu       sync.Mutex
	judged   []*compile.Report // what is wanted follows from
	wanted   map[model.ObjectID]wanted
	cleaning map[model.ObjectID]bool            // who has Secrets that are to go
	made     map[types.NamespacedName]time.Time // Secrets that were made, and when
	spent    map[model.ObjectID]pace            // how often one was written
}

// wanted is the last word on one application.
type wanted struct {
	report *compile.Report
	stale  []compile.Output // that were made for it and are to go
	lost   bool             // its Secret was there, and is not
}

func newCredentialsWriter(c client.Client, w *world, recorder events.EventRecorder, o Options) *credentialsWriter {
	return &credentialsWriter{
		client: c, world: w, installation: o.Installation,
		keeper: output.NewKeeper(rand.Reader, o.DigestKey), events: recorder, clock: o.Clock, log: o.Log.WithName("credentials"),
		work:   worklist{clock: o.Clock, workers: credentialsWorkers, soonest: time.Second, latest: 5 * time.Minute},
		wanted: map[model.ObjectID]wanted{}, cleaning: map[model.ObjectID]bool{}, made: map[types.NamespacedName]time.Time{},
		spent: map[model.ObjectID]pace{},
	}
}

// replace takes what the whole world wants; outputs are the Secrets that it was judged by.
func (c *credentialsWriter) replace(result compile.Result, outputs []compile.Output) {
	owned := map[string][]compile.Output{}
	for _, o := range outputs {
		if o.Owner != "" {
			owned[o.Owner] = append(owned[o.Owner], o)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changes(c.judged, result.Reports, c.forget, func(r *compile.Report) {
		if r.Output == nil {
			c.forget(r)
			return
		}
		known, judged := c.wanted[r.Object]
		if judged && known.report.Output.Name != r.Output.Name {
			c.forgetName(known.report)
		}
		w := wanted{report: r, lost: r.Output.Version == "" && !r.Output.Foreign && c.hadSecret(r, known, judged)}
		c.wanted[r.Object] = w
		c.work.add(r.Object)
	})
	c.judged = result.Reports
	c.replaceStale(owned)
}

// forget drops an application that wants nothing any more; c.mu is held.
func (c *credentialsWriter) forget(r *compile.Report) {
	if known, exists := c.wanted[r.Object]; exists {
		c.forgetName(known.report)
		delete(c.wanted, r.Object)
		delete(c.spent, r.Object)
		c.keeper.Forget(r.Object.UID)
	}
}

// forgetName drops what was found out about the name that an application wanted: whoever
// else wants it finds it out again.
func (c *credentialsWriter) forgetName(r *compile.Report) {
	c.world.refuse(types.NamespacedName{Namespace: r.Object.Namespace, Name: r.Output.Name}, false)
}

// replaceStale notes which Secrets are to go, of those that each application owns by its
// UID; c.mu is held.
func (c *credentialsWriter) replaceStale(owned map[string][]compile.Output) {
	for id := range c.cleaning {
		if w, exists := c.wanted[id]; exists {
			w.stale = nil
			c.wanted[id] = w
		}
	}
	clear(c.cleaning)
	for _, r := range c.judged {
		stale := output.Stale(r, owned[r.Object.UID])
		if len(stale) == 0 {
			continue
		}
		w := c.wanted[r.Object]
		w.stale = stale
		c.wanted[r.Object], c.cleaning[r.Object] = w, true
		c.work.add(r.Object)
	}
}

// hadSecret reports whether the Secret that an application lacks was there before: as it was
// judged last, or, right after a start, as its status says.
func (c *credentialsWriter) hadSecret(r *compile.Report, known wanted, judged bool) bool {
	if judged {
		return known.lost || known.report.Output.Version != "" && known.report.Output.Name == r.Output.Name
	}
	stored, _ := c.world.status(r.Object)
	status, ok := stored.value.(*v1alpha1.ApiApplicationStatus)
	return ok && status.CredentialsSecretName != "" && status.CredentialsSecretName == r.Output.Name
}

// lead writes until ctx ends.
func (c *credentialsWriter) lead(ctx context.Context) { c.work.lead(ctx, c.everything, c.next) }

func (c *credentialsWriter) everything() []model.ObjectID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.wanted))
}

// next works off one application, and returns after which time to look again.
func (c *credentialsWriter) next(ctx context.Context, id model.ObjectID) (time.Duration, error) {
	c.mu.Lock()
	w, exists := c.wanted[id]
	c.mu.Unlock()
	if !exists || !c.claimed(id) {
		return 0, nil
	}
	again, err := c.write(ctx, id, w)
	switch {
	case ctx.Err() != nil, apierrors.IsAlreadyExists(err): // its status says so; somebody may take it away
		return 0, err
	case err != nil:
		c.log.Error(err, "write client secret", "namespace", id.Namespace, "name", id.Name)
		return 0, err
	case again.IsZero():
		return 0, nil
	}
	return max(again.Sub(c.clock.Now()), time.Millisecond), nil
}

// wake looks at one application again: it changed in something that is not its declaration.
func (c *credentialsWriter) wake(id model.ObjectID) {
	c.mu.Lock()
	_, exists := c.wanted[id]
	c.mu.Unlock()
	if exists {
		c.work.add(id)
	}
}

// claimed reports whether an application is this installation's beyond doubt: until its
// status says so another one may make it its own, and two would write one Secret.
func (c *credentialsWriter) claimed(id model.ObjectID) bool {
	stored, _ := c.world.status(id)
	return stored.owner == c.installation
}

// write takes the next step for one application, and returns when to look again. A Secret
// that is not as it was judged is left for the verdict that its own event brings.
func (c *credentialsWriter) write(ctx context.Context, id model.ObjectID, w wanted) (time.Time, error) {
	for _, o := range w.stale {
		if err := c.remove(ctx, o); err != nil {
			return time.Time{}, err
		}
	}
	r, name := w.report, types.NamespacedName{Namespace: id.Namespace, Name: w.report.Output.Name}
	if name.Name == "" {
		return time.Time{}, nil
	}
	there, err := c.find(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	if there == nil && c.world.isRefused(name) { // perhaps it is free by now
		free := *r
		output := *r.Output
		output.Foreign, free.Output = false, &output
		r = &free
	} else if there != nil {
		c.seen(name)
	} else if until := c.onItsWay(name); c.clock.Now().Before(until) {
		return until, nil
	}
	step, err := c.keeper.Next(r, there, c.clock.Now())
	if err != nil || step.Secret == nil {
		return step.At, err
	}
	if wait := c.spend(id); wait > 0 {
		return c.clock.Now().Add(wait), nil
	}
	if step.Secret.ResourceVersion == "" {
		return c.create(ctx, id, step, w.lost)
	}
	err = c.client.Update(ctx, step.Secret)
	switch {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("update Secret %s: %w", name, err)
	}
	c.tell(id, step.Change, name)
	return time.Time{}, nil
}

// spend takes one write of an application's Secret, or says how long to wait for it.
func (c *credentialsWriter) spend(id model.ObjectID) (wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.spent[id]
	if wait = p.spend(c.clock.Now(), secretAtOnce, secretEvery); wait == 0 {
		if _, exists := c.wanted[id]; exists {
			c.spent[id] = p
		}
	}
	return wait
}

// seen notes that a Secret of ours is there: what was said about its name before is past.
func (c *credentialsWriter) seen(name types.NamespacedName) {
	c.world.refuse(name, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, name)
}

// onItsWay is until when a Secret that was just made may not have been seen yet; its own event
// comes sooner. Zero: none was made.
func (c *credentialsWriter) onItsWay(name types.NamespacedName) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, made := c.made[name]; made {
		return at.Add(ownWrite)
	}
	return time.Time{}
}

// find reads a Secret from the watch cache, which has no Secret without our label.
func (c *credentialsWriter) find(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	err := c.client.Get(ctx, name, s)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // none, as documented
	case err != nil:
		return nil, fmt.Errorf("find Secret %s: %w", name, err)
	case s.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretOutput || s.DeletionTimestamp != nil:
		return nil, nil //nolint:nilnil // none of ours
	}
	return s, nil
}

// create makes a Secret. One that is there already is somebody else's, and stays as it is.
func (c *credentialsWriter) create(ctx context.Context, id model.ObjectID, step output.Step, lost bool) (time.Time, error) {
	name := client.ObjectKeyFromObject(step.Secret)
	now := c.clock.Now()
	err := c.client.Create(ctx, step.Secret)
	switch {
	case apierrors.IsAlreadyExists(err):
		c.mu.Lock()
		defer c.mu.Unlock()
		if w, exists := c.wanted[id]; exists && w.report.Output.Name == name.Name {
			c.world.refuse(name, true)
		}
		return time.Time{}, err
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, fmt.Errorf("create Secret %s: %w", name, err)
	}
	c.mu.Lock()
	c.made[name] = now
	if w, exists := c.wanted[id]; exists {
		w.lost = false
		c.wanted[id] = w
	}
	for other, at := range c.made {
		if !now.Before(at.Add(ownWrite)) {
			delete(c.made, other)
		}
	}
	c.mu.Unlock()
	c.world.refuse(name, false)
	if lost && step.Change == output.Created {
		step.Change = output.Replaced
	}
	c.tell(id, step.Change, name)
	return time.Time{}, nil
}

// remove deletes a Secret that was made for an application which wants another one: exactly
// the version that was judged.
func (c *credentialsWriter) remove(ctx context.Context, o compile.Output) error {
	uid, version, _ := strings.Cut(o.Version, "/")
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name}}
	err := c.client.Delete(ctx, s, client.Preconditions{UID: (*types.UID)(&uid), ResourceVersion: &version})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete Secret %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}

// told is what an Event says of a change; of others the status says enough.
var told = map[output.Change]struct{ kind, note string }{
	output.Replaced: {corev1.EventTypeWarning, "Secret %s was gone or held no client secret that works; a new one was made, and the client ID stays"},
	output.Rotated:  {corev1.EventTypeNormal, "Secret %s has the next client secret; the one before works for the overlap"},
}

func (c *credentialsWriter) tell(id model.ObjectID, change output.Change, secret types.NamespacedName) {
	c.log.Info("client secret", "change", change, "application", id.Namespace+"/"+id.Name, "secret", secret.String())
	event, worth := told[change]
	if app := c.world.application(id); worth && app != nil {
		app = app.DeepCopy()
		app.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kindApplication))
		c.events.Eventf(app, nil, event.kind, string(change), "WriteSecret", event.note, secret.Name)
	}
}
