package controllers

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/output"
)

// world is what the informers have delivered. Its objects are shared with the watch cache
// and read-only. It is whole before the first Reconcile: the publisher starts only after
// every source has delivered its first list, so what is not in it does not exist.
type world struct {
	installation string

	mu sync.RWMutex
	// joined are the namespaces that were read to the end; nil: all are.
	joined        map[string]bool
	organizations kept[*v1alpha1.Organization]
	applications  kept[*v1alpha1.ApiApplication]
	roles         kept[*v1alpha1.Role]
	providers     kept[*v1alpha1.AuthProvider]
	secrets       kept[secretFact]
	namespaces    kept[compile.Namespace]
	statuses      map[model.ObjectID]storedStatus
	ending        map[string]bool // namespaces that are being deleted, and take nothing new
	// notOurs are the objects whose status does not name this installation as their owner,
	// with whom it names: in a settled world those of others alone.
	notOurs map[model.ObjectID]string
	// refused are Secrets that cannot be seen, as the API server said when one of their name
	// was to be made.
	refused map[types.NamespacedName]bool
	adopted *adopted
	queue   queue // the publisher's, once it runs
}

// secretFact is what Compile learns of a Secret, by its label: one or the other.
type secretFact struct {
	version string
	input   *compile.Secret
	output  *compile.Output
}

type kept[T any] map[types.NamespacedName]T

// storedStatus is what the API server has as the status of one incarnation.
type storedStatus struct {
	objectStatus
	version string // of the object
	owner   string // the installation that it names
}

func newWorld(o Options) *world {
	w := &world{
		installation:  o.Installation,
		organizations: kept[*v1alpha1.Organization]{},
		applications:  kept[*v1alpha1.ApiApplication]{},
		roles:         kept[*v1alpha1.Role]{},
		providers:     kept[*v1alpha1.AuthProvider]{},
		secrets:       kept[secretFact]{},
		namespaces:    kept[compile.Namespace]{},
		statuses:      map[model.ObjectID]storedStatus{},
		ending:        map[string]bool{},
		notOurs:       map[model.ObjectID]string{},
		refused:       map[types.NamespacedName]bool{},
	}
	if len(o.Namespaces) > 0 {
		w.joined = map[string]bool{}
	}
	return w
}

// whole reports whether everything in a namespace was read. Of one that is being read for
// the first time nothing is known yet: half of it could be a grant without its limit.
func (w *world) whole(namespace string) bool { return w.joined == nil || w.joined[namespace] }

// gather returns everything that Compile looks at, as of now, and what is left out because
// it is another installation's. It decides nothing about a declaration, only which ones
// there are for this installation (docs/decisions/0013).
func (w *world) gather(o Options) (compile.Input, []foreigner) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var foreign []foreigner
	in := compile.Input{
		Organizations:   ours(w, w.organizations, kindOrganization, &foreign),
		Applications:    ours(w, w.applications, kindApplication, &foreign),
		Roles:           ours(w, w.roles, kindRole, &foreign),
		Providers:       ours(w, w.providers, kindProvider, &foreign),
		Namespaces:      slices.Collect(maps.Values(w.namespaces)),
		SystemNamespace: o.SystemNamespace,
		Issuer:          o.Issuer,
		Dev:             o.Dev,
		DigestKey:       o.DigestKey,
		Adopted:         w.adopted.read(),
	}
	for _, name := range o.Namespaces {
		if !w.whole(name) {
			in.Unread = append(in.Unread, name)
		}
	}
	// The name of the keyring is taken, also while it is missing, and no label makes it more.
	keys := types.NamespacedName{Namespace: o.SystemNamespace, Name: KeyringName}
	in.Outputs = append(in.Outputs, compile.Output{Namespace: keys.Namespace, Name: keys.Name, Version: "keyring"})
	for name, s := range w.secrets {
		switch {
		case name == keys, !w.whole(name.Namespace):
		case s.input != nil:
			in.Secrets = append(in.Secrets, *s.input)
		default:
			in.Outputs = append(in.Outputs, *s.output)
		}
	}
	for name := range w.refused {
		if _, seen := w.secrets[name]; !seen && name != keys {
			in.Outputs = append(in.Outputs, compile.Output{Namespace: name.Namespace, Name: name.Name, Version: "refused"})
		}
	}
	return in, foreign
}

// again has everything judged again, once anything is.
func (w *world) again() {
	w.mu.RLock()
	q := w.queue
	w.mu.RUnlock()
	if q != nil {
		q.Add(theKey)
	}
}

// refuse remembers that a Secret of the name is there that cannot be seen, or that there is
// none any more, and has everything judged again.
func (w *world) refuse(name types.NamespacedName, there bool) {
	w.mu.Lock()
	known, q := w.refused[name], w.queue
	if there {
		w.refused[name] = true
	} else {
		delete(w.refused, name)
	}
	w.mu.Unlock()
	if known != there && q != nil {
		q.Add(theKey)
	}
}

func (w *world) isRefused(name types.NamespacedName) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.refused[name]
}

// application finds the incarnation that id names; nil if it is gone.
func (w *world) application(id model.ObjectID) *v1alpha1.ApiApplication {
	w.mu.RLock()
	defer w.mu.RUnlock()
	a := w.applications[types.NamespacedName{Namespace: id.Namespace, Name: id.Name}]
	if a == nil || string(a.UID) != id.UID {
		return nil
	}
	return a
}

// status finds what is stored for the incarnation that id names.
func (w *world) status(id model.ObjectID) (s storedStatus, exists bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	s, exists = w.statuses[id]
	return s, exists
}

// The kinds, as model.ObjectID has them.
const (
	kindOrganization = "Organization"
	kindApplication  = "ApiApplication"
	kindRole         = "Role"
	kindProvider     = "AuthProvider"
)

// theKey is the only key of the publisher's queue: whatever changes, the whole is judged.
var theKey = reconcile.Request{NamespacedName: types.NamespacedName{Name: "declarations"}}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// objects feed the world with what is in namespaces. A change that Compile can see enqueues
// theKey; any other change of one of the four kinds, such as a foreign hand on its status,
// is told to touched, which answers whether there is a verdict on it.
func (w *world) objects(c cache.Cache, digestKey model.Sensitive, touched func(model.ObjectID) bool) []source.SyncingSource {
	return []source.SyncingSource{
		declared(c, w, w.organizations, kindOrganization, &v1alpha1.Organization{}, touched),
		declared(c, w, w.applications, kindApplication, &v1alpha1.ApiApplication{}, touched),
		declared(c, w, w.roles, kindRole, &v1alpha1.Role{}, touched),
		declared(c, w, w.providers, kindProvider, &v1alpha1.AuthProvider{}, touched),
		feed[*corev1.Secret, secretFact]{
			world: w, kept: w.secrets, keep: func(s *corev1.Secret) secretFact { return factOf(s, digestKey) },
			same: func(a, b secretFact) bool { return a.version == b.version },
		}.source(c, &corev1.Secret{}),
	}
}

// grants feed the world with what cluster administrators say of namespaces.
func (w *world) grants(c cache.Cache) source.Source {
	return feed[*metav1.PartialObjectMetadata, compile.Namespace]{
		world: w, kept: w.namespaces, keep: namespaceInput,
		same: func(a, b compile.Namespace) bool {
			return maps.Equal(a.Labels, b.Labels) && slices.Equal(a.Slugs, b.Slugs)
		},
		note: func(n *metav1.PartialObjectMetadata) { w.ending[n.Name] = n.DeletionTimestamp != nil },
		miss: func(n *metav1.PartialObjectMetadata) { delete(w.ending, n.Name) },
	}.source(c, namespaceMetadata())
}

// ends reports whether a namespace is being deleted, as far as namespaces can be read.
func (w *world) ends(namespace string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.ending[namespace]
}

// start makes an empty cluster be published as well.
func (w *world) start() source.Source {
	return source.Func(func(_ context.Context, q queue) error {
		w.mu.Lock()
		w.queue = q
		w.mu.Unlock()
		q.Add(theKey)
		return nil
	})
}

// declared feeds one of the four kinds.
func declared[T client.Object](c cache.Cache, w *world, into kept[T], kind string, of T, touched func(model.ObjectID) bool) source.SyncingSource {
	return declaring(w, into, kind, touched).source(c, of)
}

// declaring compares what is declared itself, too: in a cluster that was restored a
// generation may come again.
func declaring[T client.Object](w *world, into kept[T], kind string, touched func(model.ObjectID) bool) feed[T, T] {
	return feed[T, T]{
		world: w, kept: into,
		keep: func(o T) T { return o },
		same: func(a, b T) bool {
			return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() && w.otherOwner(a) == w.otherOwner(b) &&
				reflect.DeepEqual(specOf(a), specOf(b))
		},
		note: func(o T) { w.note(identify(kind, o), o) },
		miss: func(o T) { w.miss(identify(kind, o)) },
		idle: func(o T, q queue) {
			if judged := touched(identify(kind, o)); !judged && ownerOf(o) == w.installation {
				q.Add(theKey) // it was left to others, and became ours
			}
		},
	}
}

func specOf(o client.Object) any {
	switch o := o.(type) {
	case *v1alpha1.Organization:
		return &o.Spec
	case *v1alpha1.ApiApplication:
		return &o.Spec
	case *v1alpha1.Role:
		return &o.Spec
	case *v1alpha1.AuthProvider:
		return &o.Spec
	}
	return nil
}

// note remembers what is stored as the status of an object. The caller holds the lock.
func (w *world) note(id model.ObjectID, o client.Object) {
	owner := ownerOf(o)
	w.statuses[id] = storedStatus{statusOf(o), o.GetResourceVersion(), owner}
	if owner == w.installation {
		delete(w.notOurs, id)
	} else {
		w.notOurs[id] = owner
	}
}

func (w *world) miss(id model.ObjectID) {
	delete(w.statuses, id)
	delete(w.notOurs, id)
}

// feed keeps the objects of one kind as its informer delivers them.
type feed[O client.Object, T any] struct {
	world *world
	kept  kept[T]
	keep  func(O) T
	same  func(before, after T) bool // as Compile sees it

	// nil for some. note and miss hold the world's lock.
	note, miss func(O)
	idle       func(O, queue) // a change that is none to Compile
}

func (f feed[O, T]) source(c cache.Cache, of O) source.SyncingSource {
	return source.Kind(c, of, handler.TypedFuncs[O, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[O], q queue) { f.put(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[O], q queue) {
			if e.ObjectOld.GetUID() != e.ObjectNew.GetUID() { // deleted and created between two lists
				f.drop(e.ObjectOld, q)
			}
			f.put(e.ObjectNew, q)
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[O], q queue) { f.drop(e.Object, q) },
	})
}

// put keeps o. What is being deleted is deleted, even while somebody's finalizer holds it:
// nothing can bring it back.
func (f feed[O, T]) put(o O, q queue) {
	if o.GetDeletionTimestamp() != nil && o.GetNamespace() != "" {
		f.drop(o, q)
		return
	}
	if f.replace(client.ObjectKeyFromObject(o), o) {
		q.Add(theKey)
	} else if f.idle != nil {
		f.idle(o, q)
	}
}

// replace reports whether o is news to Compile. If it is not, the object that Compile knows
// stays: to the Compiler another pointer is another object.
func (f feed[O, T]) replace(key types.NamespacedName, o O) bool {
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	if f.note != nil {
		f.note(o)
	}
	after := f.keep(o)
	if before, known := f.kept[key]; known && f.same(before, after) {
		return false
	}
	f.kept[key] = after
	return true
}

func (f feed[O, T]) drop(o O, q queue) {
	f.world.mu.Lock()
	delete(f.kept, client.ObjectKeyFromObject(o))
	if f.miss != nil {
		f.miss(o)
	}
	f.world.mu.Unlock()
	q.Add(theKey)
}

func factOf(s *corev1.Secret, digestKey model.Sensitive) secretFact {
	f := secretFact{version: output.Version(s)}
	if s.Labels[v1alpha1.SecretLabel] == v1alpha1.SecretOutput {
		o := output.Read(s, digestKey)
		f.output = &o
	} else {
		i := secretInput(s)
		f.input = &i
	}
	return f
}

func secretInput(s *corev1.Secret) compile.Secret {
	data := make(map[string]model.Sensitive, len(s.Data))
	for key, value := range s.Data {
		data[key] = model.KeepSensitive(value) // the cache's own, and read-only
	}
	return compile.Secret{Namespace: s.Namespace, Name: s.Name, Version: output.Version(s), Data: data}
}

func namespaceInput(n *metav1.PartialObjectMetadata) compile.Namespace {
	var slugs []string
	for slug := range strings.SplitSeq(n.Annotations[v1alpha1.SlugsAnnotation], ",") {
		if slug = strings.TrimSpace(slug); slug != "" {
			slugs = append(slugs, slug)
		}
	}
	return compile.Namespace{Name: n.Name, Labels: n.Labels, Slugs: slugs}
}
