package controllers

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// repairEvery bounds how often the keyring Secret is put right, whoever keeps damaging it.
const repairEvery = time.Second

// KeyringKeeper follows the keyring Secret for a process that uses its keys. What the Secret
// says is used, if it is of this installation; else what was used last stays in use. The
// leader puts back what is missing or cannot be read, with the keys in use: it never makes
// others, and never replaces the keyring of another installation, which somebody may miss.
type KeyringKeeper struct {
	secret *KeyringSecret
	use    func(*keyring.Keyring, error)
	wake   chan struct{} // something is to be judged by the leader

	mu    sync.Mutex
	keys  *keyring.Keyring // in use
	there *corev1.Secret   // as seen last; nil: none
	state keyringState
}

// keyringState is what a Secret is worth.
type keyringState int

const (
	keyringUnseen  keyringState = iota // nobody has looked yet
	keyringUsed                        // it is in use
	keyringOld                         // it was written before there were signing keys
	keyringForeign                     // it is of another installation, or under another root key
	keyringDamaged                     // it cannot be read
	keyringMissing
)

// Keep follows the Secret, which was read as keys. use is called with each other state of
// these keys, and with nil and the reason whenever the Secret cannot be used; with nil and
// nil when it can be again.
func (s *KeyringSecret) Keep(keys *keyring.Keyring, use func(*keyring.Keyring, error)) *KeyringKeeper {
	return &KeyringKeeper{secret: s, keys: keys, use: use, wake: make(chan struct{}, 1)}
}

// Run follows the Secret until ctx ends, also while the API server is away.
func (k *KeyringKeeper) Run(ctx context.Context) error {
	source := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return k.secret.secrets.List(ctx, only(o))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return k.secret.secrets.Watch(ctx, only(o))
		},
	}
	var seen toolscache.Store
	look := func() {
		var there *corev1.Secret
		if all := seen.List(); len(all) > 0 {
			there, _ = all[0].(*corev1.Secret)
		}
		k.look(there)
	}
	seen, informer := toolscache.NewInformerWithOptions(toolscache.InformerOptions{
		ListerWatcher: source, ObjectType: &corev1.Secret{},
		Handler: toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { look() },
			UpdateFunc: func(_, _ any) { look() },
			DeleteFunc: func(any) { look() },
		},
	})
	var first sync.WaitGroup
	first.Go(func() { // of a Secret that is missing from the beginning there is no event
		if toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			look()
		}
	})
	informer.RunWithContext(ctx)
	first.Wait()
	return ctx.Err()
}

func only(o metav1.ListOptions) metav1.ListOptions {
	o.LabelSelector, o.FieldSelector = theKeyring.LabelSelector, theKeyring.FieldSelector
	return o
}

// look judges what is there.
func (k *KeyringKeeper) look(there *corev1.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, state, err := k.judge(there)
	worse := state != keyringUsed || k.state != keyringUsed
	k.there, k.state = there, state
	if next != nil {
		k.keys = next
	}
	if next != nil || worse {
		k.use(next, err)
	}
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
	}
}

// judge says what a Secret is worth, and which keys it changes to; nil for none.
func (k *KeyringKeeper) judge(there *corev1.Secret) (next *keyring.Keyring, state keyringState, err error) {
	if there == nil {
		return nil, keyringMissing, fmt.Errorf("%s is missing; the leader puts it back", k.secret)
	}
	found, err := k.secret.parse(there)
	switch {
	case err != nil:
		return nil, keyringDamaged, fmt.Errorf("%w: the leader puts back the keys in use", err)
	case !found.Same(k.keys):
		return nil, keyringForeign, fmt.Errorf("%s holds the keyring of installation %s with root key %s, and this one is %s with %s: "+
			"keep it elsewhere if somebody may miss it and delete it here, and the leader puts the right one back",
			k.secret, found.Installation, found.Fingerprint(), k.keys.Installation, k.keys.Fingerprint())
	case !found.Whole():
		return nil, keyringOld, fmt.Errorf("%s has no signing keys; the leader adds them", k.secret)
	}
	now, err := found.Marshal()
	if err != nil {
		return nil, keyringDamaged, err
	}
	if was, err := k.keys.Marshal(); err == nil && bytes.Equal(was, now) {
		return nil, keyringUsed, nil
	}
	return found, keyringUsed, nil
}

// lead puts the Secret right until ctx ends.
func (k *KeyringKeeper) lead(ctx context.Context, recorder events.EventRecorder, clock clock.WithTicker, log logr.Logger) {
	said := ""
	for {
		again, err := k.repair(ctx, recorder, log)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			log.Error(err, "put the keyring back, trying again")
		}
		wake, pause := k.wake, (<-chan time.Time)(nil)
		if again || err != nil {
			wake, pause = nil, clock.After(repairEvery)
		} else {
			said = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-pause:
		}
	}
}

// repair takes one step towards a Secret with the keys in use. It reports whether it wrote.
func (k *KeyringKeeper) repair(ctx context.Context, recorder events.EventRecorder, log logr.Logger) (wrote bool, err error) {
	k.mu.Lock()
	there, state, keys := k.there, k.state, k.keys
	k.mu.Unlock()
	step, exists := keyringSteps[state]
	if !exists {
		return false, nil
	}
	switch state {
	case keyringMissing:
		if err = k.secret.create(ctx, keys); apierrors.IsAlreadyExists(err) {
			return false, k.unlessSeen(ctx)
		}
	case keyringDamaged:
		err = k.secret.update(ctx, there, keys)
	case keyringOld:
		err = k.secret.Change(ctx, func(old *keyring.Keyring) (*keyring.Keyring, error) {
			if !old.Same(keys) {
				return nil, errPast
			}
			return old.Completed(rand.Reader)
		})
	case keyringUnseen, keyringUsed, keyringForeign: // there is nothing to write
	}
	if apierrors.IsConflict(err) || errors.Is(err, errPast) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	log.Info("keyring", "secret", k.secret.Place(), "change", step.reason)
	recorder.Eventf(k.secret.reference(there), nil, step.kind, step.reason, "WriteSecret", "%s", step.note)
	return state != keyringForeign, nil
}

// errPast: what was judged is not there any more, and its own event says what is.
var errPast = errors.New("changed meanwhile")

// keyringSteps is what an Event says of what the leader does about a state.
var keyringSteps = map[keyringState]struct{ kind, reason, note string }{
	keyringMissing: {corev1.EventTypeWarning, "KeyringRestored", "The Secret of the keyring was gone; it was put back with the keys in use"},
	keyringDamaged: {corev1.EventTypeWarning, "KeyringRestored", "The keyring could not be read; the keys in use were put back"},
	keyringOld:     {corev1.EventTypeNormal, "KeyringCompleted", "The keyring had no signing keys; it was given new ones"},
	keyringForeign: {corev1.EventTypeWarning, "KeyringRefused", "The keyring is of another installation or under another root key; the keys before it stay in use"},
}

// unlessSeen is an error if the Secret that exists is none that can be found.
func (k *KeyringKeeper) unlessSeen(ctx context.Context) error {
	there, err := k.secret.find(ctx)
	if err != nil || there != nil {
		return err
	}
	return k.secret.hidden()
}

// reference names the Secret in an Event, without its data.
func (s *KeyringSecret) reference(there *corev1.Secret) *corev1.Secret {
	about := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: KeyringName}}
	about.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if there != nil {
		about.UID = there.UID
	}
	return about
}
