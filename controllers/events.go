package controllers

import (
	"sync"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	// noteBytes is the longest note that an API server takes with an Event.
	noteBytes = 1024
	// eventsAtOnce and eventsEvery bound the Events of one namespace: that many at once, then
	// one in that time. Those above are not told; the status of each object says the same.
	eventsAtOnce = 50
	eventsEvery  = time.Second
	// publishing is what every Event about Ready was about, as its action.
	publishing = "Publish"
)

// herald tells in Events what changed in Ready. It is asked only where a status was written
// that is not the one stored, so neither a restart nor another leader tells anything again.
// Of one object that goes to and fro the API keeps a series, which is written twice in six
// minutes at the most.
type herald struct {
	recorder events.EventRecorder
	clock    clock.PassiveClock

	mu    sync.Mutex
	spent map[string]pace // by namespace
}

func newHerald(recorder events.EventRecorder, c clock.PassiveClock) *herald {
	return &herald{recorder: recorder, clock: c, spent: map[string]pace{}}
}

// toldOfReady reports whether a change of Ready is worth an Event, and of which type. A new object
// that is served at once is none: thousands may come together, and their status says it.
// Nor is Pending, which is our own work under way.
func toldOfReady(before, now metav1.Condition) (kind string, worth bool) {
	const pending = string(v1alpha1.ReasonPending)
	served := now.Status == metav1.ConditionTrue
	switch {
	case before.Status == now.Status && before.Reason == now.Reason, now.Reason == pending:
		return "", false
	case served && (before.Type == "" || before.Reason == pending):
		return "", false
	case served:
		return corev1.EventTypeNormal, true
	}
	return corev1.EventTypeWarning, true
}

// tell says that the Ready condition of an object changed.
func (h *herald) tell(id model.ObjectID, before, now metav1.Condition) {
	kind, worth := toldOfReady(before, now)
	if !worth || !h.affords(id.Namespace) {
		return
	}
	h.recorder.Eventf(regarding(id), nil, kind, now.Reason, publishing, "%s", note(now.Message))
}

// affords reports whether the namespace may have another Event. Namespaces are the cluster
// admin's, so their number is no tenant's to choose.
func (h *herald) affords(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.spent[namespace]
	wait := p.spend(h.clock.Now(), eventsAtOnce, eventsEvery)
	h.spent[namespace] = p
	return wait == 0
}

// regarding is what an Event needs to know of the object it is about. With its version every
// Event would be the first of a series of its own.
func regarding(id model.ObjectID) *metav1.PartialObjectMetadata {
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: id.Namespace, Name: id.Name, UID: types.UID(id.UID),
	}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(id.Kind))
	return o
}

// note is a message as long as an Event may have it, cut between characters.
func note(message string) string {
	if len(message) <= noteBytes {
		return message
	}
	end := noteBytes - len("…")
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "…"
}

// pace bounds how often something is done: some at once, then one in a while.
type pace struct{ until time.Time }

// spend takes one, or says how long to wait for it.
func (p *pace) spend(now time.Time, atOnce int, every time.Duration) (wait time.Duration) {
	if p.until.Before(now) {
		p.until = now
	}
	if wait := p.until.Add(every).Sub(now) - time.Duration(atOnce)*every; wait > 0 {
		return wait
	}
	p.until = p.until.Add(every)
	return 0
}
