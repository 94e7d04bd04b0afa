package controllers

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// keys is a test's end of a keyring Secret.
type keys struct {
	*bench
	secret *KeyringSecret
	first  *keyring.Keyring

	mu   sync.Mutex
	used []*keyring.Keyring
	err  error // why the Secret cannot be used
	said strings.Builder
}

// newKeys makes the Secret, as the service account.
func newKeys(t *testing.T) *keys {
	t.Helper()
	return newBench(t, kube).newKeys()
}

func (b *bench) newKeys() *keys {
	b.t.Helper()
	k := &keys{bench: b}
	k.secret = k.open()
	k.first = k.another()
	if _, err := k.secret.Open(b.t.Context(), func() (*keyring.Keyring, error) { return k.first, nil }); err != nil {
		b.t.Fatal(err)
	}
	return k
}

// open is the Secret for a replica that asks for no Secret but by label.
func (b *bench) open() *KeyringSecret {
	b.t.Helper()
	config := asServiceAccount(b.t, b.kube)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return labelled{next, b.t} })
	s, err := NewKeyringSecret(config, systemNamespace)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

type labelled struct {
	next http.RoundTripper
	t    *testing.T
}

func (l labelled) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); r.Method == http.MethodGet &&
		(query.Get("labelSelector") != "auth.gatehouse.dev/secret=keyring" || query.Get("fieldSelector") != "metadata.name=gatehouse-keyring") {
		l.t.Errorf("asked for %s", r.URL)
	}
	return l.next.RoundTrip(r)
}

func (b *bench) another() *keyring.Keyring {
	b.t.Helper()
	k, err := keyringtest.New()
	if err != nil {
		b.t.Fatal(err)
	}
	return k
}

// follow follows the Secret as a replica does, without leading.
func (k *keys) follow() *KeyringKeeper {
	keeper := k.secret.Keep(k.first, func(next *keyring.Keyring, err error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.err = err; next != nil {
			k.used = append(k.used, next)
		}
	})
	ctx, cancel := context.WithCancel(k.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := keeper.Run(ctx); !errors.Is(err, context.Canceled) {
			k.t.Errorf("Run returned %v", err)
		}
	})
	k.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return keeper
}

// lead follows the Secret and puts it right.
func (k *keys) lead() {
	o := k.options()
	o.Keyring = k.follow()
	o.Log = funcr.New(func(prefix, args string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		fmt.Fprintln(&k.said, prefix, args)
	}, funcr.Options{Verbosity: 2})
	k.start(o)
}

func (k *keys) trouble() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// using waits until these keys are the newest in use.
func (k *keys) using(want *keyring.Keyring) {
	k.t.Helper()
	k.eventually("used", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if end := len(k.used) - 1; end < 0 || marshalled(k.t, k.used[end]) != marshalled(k.t, want) {
			return fmt.Errorf("%d changes", len(k.used))
		}
		return nil
	})
}

func (k *keys) unchanged() {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.used) > 0 {
		k.t.Error("other keys were used")
	}
}

func marshalled(t *testing.T, k *keyring.Keyring) string {
	t.Helper()
	data, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (b *bench) keyring() (*corev1.Secret, error) {
	s := &corev1.Secret{}
	return s, b.Get(context.Background(), client.ObjectKey{Namespace: systemNamespace, Name: KeyringName}, s)
}

// put writes the Secret as an administrator.
func (b *bench) put(edit func(*corev1.Secret)) {
	b.t.Helper()
	b.eventually("written", func() error {
		s, err := b.keyring()
		if err != nil {
			return err
		}
		edit(s)
		return b.Update(b.t.Context(), s)
	})
}

func content(data string) func(*corev1.Secret) {
	return func(s *corev1.Secret) { s.Data = map[string][]byte{keyring.FileName: []byte(data)} }
}

// keeps waits until the Secret has exactly these keys.
func (b *bench) keeps(want string) {
	b.t.Helper()
	b.eventually("put right", func() error {
		s, err := b.keyring()
		if err != nil {
			return err
		}
		if string(s.Data[keyring.FileName]) != want || len(s.Data) != 1 || s.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretKeyring {
			return fmt.Errorf("%d keys, labels %v", len(s.Data), s.Labels)
		}
		return nil
	})
}

func TestOfManyThatMakeTheKeyringAtOnceAllUseOne(t *testing.T) {
	b := newBench(t, kube)
	var racers sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 8 {
		s, mine := b.open(), b.another()
		racers.Go(func() {
			k, err := s.Open(t.Context(), func() (*keyring.Keyring, error) { return mine, nil })
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[marshalled(t, k)]++
		})
	}
	racers.Wait()
	if len(seen) != 1 {
		t.Errorf("%d keyrings are in use", len(seen))
	}
	for k := range seen {
		b.keeps(k)
	}
}

func TestNoKeyringIsMadeAgainstTheCallersWill(t *testing.T) {
	b := newBench(t, kube)
	no := errors.New("the store knows others")
	if _, err := b.open().Open(t.Context(), func() (*keyring.Keyring, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("the error is %v", err)
	}
	if _, err := b.keyring(); !apierrors.IsNotFound(err) {
		t.Errorf("there is a Secret: %v", err)
	}
}

// A Secret of its name that has not our label is neither read nor replaced.
func TestASecretWithoutTheLabelIsNeitherReadNorReplaced(t *testing.T) {
	b := newBench(t, kube)
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: KeyringName},
		Data:       map[string][]byte{keyring.FileName: []byte(marshalled(t, b.another()))},
	}
	if err := b.Create(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	mine := b.another()
	_, err := b.open().Open(t.Context(), func() (*keyring.Keyring, error) { return mine, nil })
	if err == nil || !strings.Contains(err.Error(), "exists without the label auth.gatehouse.dev/secret=keyring") {
		t.Errorf("the error is %v", err)
	}
	if now, err := b.keyring(); err != nil || now.ResourceVersion != s.ResourceVersion {
		t.Errorf("it was written: %v", err)
	}
}

func TestTheSystemNamespaceIsNamedWhenItIsMissing(t *testing.T) {
	b := newBench(t, kube)
	s, err := NewKeyringSecret(asServiceAccount(t, kube), "nowhere")
	if err != nil {
		t.Fatal(err)
	}
	mine := b.another()
	_, err = s.Open(t.Context(), func() (*keyring.Keyring, error) { return mine, nil })
	if err == nil || !strings.Contains(err.Error(), "there is no namespace nowhere; create it") {
		t.Errorf("the error is %v", err)
	}
}

// What is missing or cannot be read is put back by the leader: the same keys, never others.
// What it says of it holds no key.
func TestTheLeaderPutsBackTheKeysInUse(t *testing.T) {
	k := newKeys(t)
	want := marshalled(t, k.first)
	k.lead()
	k.keeps(want)
	for name, damage := range map[string]func(){
		"deleted": func() {
			s, err := k.keyring()
			if err == nil {
				err = k.Delete(t.Context(), s)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"no JSON":     func() { k.put(content(want[1:])) },
		"incomplete":  func() { k.put(content("{}")) },
		"emptied":     func() { k.put(func(s *corev1.Secret) { s.Data = nil }) },
		"a bad key":   func() { k.put(content(strings.Replace(want, `"root": "`, `"root": "AA`, 1))) },
		"far too big": func() { k.put(content(strings.Repeat(" ", keyring.MaxBytes) + want)) },
	} {
		before, err := k.keyring()
		if err != nil {
			t.Fatal(err)
		}
		damage()
		k.eventually(name+" and seen", func() error {
			if now, err := k.keyring(); err != nil || now.ResourceVersion == before.ResourceVersion {
				return fmt.Errorf("not yet: %w", err)
			}
			return nil
		})
		k.keeps(want)
		k.eventually("used again", k.trouble)
	}
	k.unchanged()
	k.eventually("told", func() error { return k.event("KeyringRestored") })
	k.leaksNothing(want)
}

// event finds an Event about the Secret.
func (k *keys) event(reason string) error {
	var all eventsv1.EventList
	if err := k.List(k.t.Context(), &all, client.InNamespace(systemNamespace)); err != nil {
		return err
	}
	for _, e := range all.Items {
		if e.Reason == reason && e.Regarding.Kind == "Secret" && e.Regarding.Name == KeyringName {
			return nil
		}
	}
	return fmt.Errorf("%d events, none is %s", len(all.Items), reason)
}

// leaksNothing searches logs, Events and errors for every key.
func (k *keys) leaksNothing(data ...string) {
	k.t.Helper()
	var all eventsv1.EventList
	if err := k.List(k.t.Context(), &all); err != nil {
		k.t.Fatal(err)
	}
	told, err := json.Marshal(all)
	if err != nil {
		k.t.Fatal(err)
	}
	k.mu.Lock()
	said := k.said.String() + string(told) + fmt.Sprint(k.err)
	k.mu.Unlock()
	if !strings.Contains(said, "keyring") {
		k.t.Error("nothing was said at all")
	}
	for _, one := range data {
		for _, word := range strings.FieldsFunc(one, func(r rune) bool { return strings.ContainsRune("\",: \n{}[]", r) }) {
			if len(word) > 40 && strings.Contains(said, word) {
				k.t.Errorf("a key was shown")
			}
		}
	}
}

// Whoever can write Secrets without reading them does not know the root key.
func TestAKeyringOfAnotherInstallationIsRefusedAndLeftAlone(t *testing.T) {
	k := newKeys(t)
	other := k.another()
	sameName := strings.Replace(marshalled(t, other), other.Installation, k.first.Installation, 1)
	k.lead()
	for name, data := range map[string]string{"another": marshalled(t, other), "another root key": sameName} {
		k.put(content(data))
		k.eventually(name+" refused", func() error {
			if err := k.trouble(); err == nil || !strings.Contains(err.Error(), "delete it here, and the leader puts the right one back") {
				return fmt.Errorf("the trouble is %w", err)
			}
			return nil
		})
		k.eventually("told", func() error { return k.event("KeyringRefused") })
		k.keeps(data)
		s, err := k.keyring()
		if err == nil {
			err = k.Delete(t.Context(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
		k.keeps(marshalled(t, k.first))
		k.eventually("used again", k.trouble)
	}
	k.unchanged()
	k.leaksNothing(marshalled(t, k.first), marshalled(t, other))
}

func TestWhatAnAdministratorPutsThereIsUsed(t *testing.T) {
	k := newKeys(t)
	k.follow()
	rotated, err := k.first.Rotate(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k.put(content(marshalled(t, rotated)))
	k.using(rotated)
	k.put(content(marshalled(t, k.first))) // a backup from before
	k.using(k.first)
	replaced, err := rotated.Replace(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	k.put(content(marshalled(t, replaced)))
	k.using(replaced)
	t.Logf("in use after %s", time.Since(started))
	if err := k.trouble(); err != nil {
		t.Error(err)
	}
}

func TestAKeyringFromBeforeSigningKeysIsCompletedByTheLeader(t *testing.T) {
	k := newKeys(t)
	var file map[string]any
	if err := json.Unmarshal([]byte(marshalled(t, k.first)), &file); err != nil {
		t.Fatal(err)
	}
	delete(file, "rs256Keys")
	delete(file, "es256Keys")
	old, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	k.lead()
	k.put(content(string(old)))
	k.eventually("used", func() error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.used) == 0 || !k.used[0].Whole() || !k.used[0].Same(k.first) {
			return fmt.Errorf("%d changes", len(k.used))
		}
		return nil
	})
	k.eventually("told", func() error { return k.event("KeyringCompleted") })
}

func TestAReplicaThatDoesNotLeadPutsNothingBack(t *testing.T) {
	k := newKeys(t)
	k.follow()
	s, err := k.keyring()
	if err == nil {
		err = k.Delete(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
	k.eventually("missed", func() error {
		if err := k.trouble(); err == nil || !strings.Contains(err.Error(), "is missing; the leader puts it back") {
			return fmt.Errorf("the trouble is %w", err)
		}
		return nil
	})
	if _, err := k.keyring(); !apierrors.IsNotFound(err) {
		t.Errorf("it was put back: %v", err)
	}
	k.unchanged()
	k.lead() // it gains the Lease
	k.keeps(marshalled(t, k.first))
}

// Neither the name nor the label of the keyring means anything in another namespace, nor
// the label alone in ours.
func TestAForeignKeyringIsIgnored(t *testing.T) {
	k := newKeys(t)
	k.lead()
	k.namespace("hostile")
	foreign := marshalled(t, k.another())
	for _, at := range []types.NamespacedName{{Namespace: "hostile", Name: KeyringName}, {Namespace: systemNamespace, Name: "another-keyring"}} {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Name, Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretKeyring}},
			Data:       map[string][]byte{keyring.FileName: []byte(foreign)},
		}
		if err := k.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	next, err := k.first.Rotate(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	k.put(content(marshalled(t, next))) // seen after the others
	k.using(next)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.used) != 1 || k.err != nil {
		t.Errorf("%d changes, %v", len(k.used), k.err)
	}
}

func TestOfTwoRotationsAtOnceTheSecondIsTold(t *testing.T) {
	k := newKeys(t)
	var both sync.WaitGroup
	results := make([]error, 2)
	together := make(chan struct{})
	for i := range results {
		s, first := k.open(), true
		both.Go(func() {
			results[i] = s.Change(t.Context(), func(old *keyring.Keyring) (*keyring.Keyring, error) {
				if first { // both have read the same
					first = false
					select {
					case together <- struct{}{}:
					case <-together:
					}
				}
				return old.Rotate(rand.Reader, time.Now())
			})
		})
	}
	both.Wait()
	var pending *keyring.PendingError
	if (results[0] == nil) == (results[1] == nil) || !errors.As(errors.Join(results...), &pending) {
		t.Errorf("the results are %v", results)
	}
	s, err := k.keyring()
	if err != nil {
		t.Fatal(err)
	}
	now, err := keyring.Parse(s.Data[keyring.FileName])
	if err != nil || len(now.TokenKeys()) != 2 {
		t.Errorf("%d token keys, %v", len(now.TokenKeys()), err)
	}
}

// Somebody who may declare in the system namespace gets the keyring neither as a reference
// nor by taking its name, whatever its label says.
func TestNoResourceReachesTheKeyring(t *testing.T) {
	k := newKeys(t)
	k.lead()
	k.create(good)
	k.expectGood()
	k.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: gatehouse-system, namespace: gatehouse-system}
spec: {displayName: System, slug: gatehouse-system, scopeCatalog: [{name: "org:read"}]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: reader, namespace: gatehouse-system}
spec:
  organizationRef: {name: gatehouse-system}
  type: Machine
  scopes: ["org:read"]
  credentials: {source: FromSecret, fromSecret: {name: gatehouse-keyring, key: keyring.json}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: squatter, namespace: gatehouse-system}
spec:
  organizationRef: {name: gatehouse-system}
  type: Machine
  scopes: ["org:read"]
  credentials: {output: {secretName: gatehouse-keyring}}
`)
	for _, label := range []string{v1alpha1.SecretKeyring, v1alpha1.SecretInput, v1alpha1.SecretOutput} {
		k.put(func(s *corev1.Secret) { s.Labels[v1alpha1.SecretLabel] = label })
		k.change(kindApplication, systemNamespace, "reader", func(spec map[string]any) { spec["displayName"] = label })
		k.change(kindApplication, systemNamespace, "squatter", func(spec map[string]any) { spec["displayName"] = label })
		k.expect(kindApplication, systemNamespace, "reader", "SecretNotFound")
		k.expect(kindApplication, systemNamespace, "squatter", "SecretNotOwned")
		s, err := k.keyring()
		if err != nil || !bytes.Equal(s.Data[keyring.FileName], []byte(marshalled(t, k.first))) {
			t.Errorf("labelled %s it was written: %v", label, err)
		}
	}
	u := k.get(kindApplication, systemNamespace, "reader")
	status, err := json.Marshal(u.Object["status"])
	if err != nil || strings.Contains(string(status), k.first.Installation) {
		t.Errorf("the status shows what is in the keyring: %v", err)
	}
}
