package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/clocktest"
)

const generated = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["org:read"]
  credentials:
    output: {labels: {team: payments}, annotations: {example.com/reload: "true"}, keys: {clientID: ID}}
    rotation: {overlap: 1h, generation: 1}
`

// requests are what the controllers asked the API server about Secrets.
type requests struct {
	mu   sync.Mutex
	seen map[string]int
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper { return listening{next, r} }

type listening struct {
	next http.RoundTripper
	said *requests
}

func (l listening) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/secrets") {
		l.said.mu.Lock()
		l.said.seen[fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, r.URL.Query().Get("labelSelector"))]++
		l.said.mu.Unlock()
	}
	return l.next.RoundTrip(r)
}

// writes lists the requests that were not lists or watches of labelled Secrets.
func (r *requests) writes() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.seen)
	delete(all, "GET /api/v1/secrets auth.gatehouse.dev/secret in (input,output)")
	return slices.Sorted(maps.Keys(all))
}

// timed serves by a clock that the test sets forward, and notes what is asked about Secrets.
func (b *bench) timed() (*clocktesting.FakeClock, *requests) {
	b.t.Helper()
	o, asked := b.options(), &requests{seen: map[string]int{}}
	now := clocktest.New(b.t)
	o.Clock, o.Issuer = now, "https://auth.example.com"
	o.Config.Wrap(asked.wrap)
	c, _ := b.start(o)
	b.eventually("published", func() error { return c.Ready() })
	return now, asked
}

func (b *bench) secret(name string) *corev1.Secret {
	b.t.Helper()
	s := &corev1.Secret{}
	if err := b.Get(b.t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// becomes waits until the Secret is as check wants it.
func (b *bench) becomes(name, what string, check func(*corev1.Secret) bool) *corev1.Secret {
	b.t.Helper()
	s := &corev1.Secret{}
	b.eventually(what, func() error {
		*s = corev1.Secret{}
		if err := b.Get(b.t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, s); err != nil {
			return err
		}
		if !check(s) {
			return fmt.Errorf("its annotations are %v", s.Annotations)
		}
		return nil
	})
	return s
}

func (b *bench) proves(secret *corev1.Secret, at time.Time) bool {
	_, app := b.snapshot().Application("acme.acme.ci")
	key := b.options().DigestKey
	return app != nil && app.Proves(model.SecretDigest(key.Digest(secret.Data["client-secret"])), at)
}

func (b *bench) credentials(s *corev1.Secret) []credential.Credential {
	b.t.Helper()
	list, err := credential.Parse(s.Annotations[v1alpha1.CredentialsAnnotation])
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// event waits for an Event about the application.
func (b *bench) event(reason string) {
	b.t.Helper()
	b.eventually("an Event "+reason, func() error {
		events := &unstructured.UnstructuredList{}
		events.SetAPIVersion("events.k8s.io/v1")
		events.SetKind("EventList")
		if err := b.List(b.t.Context(), events, client.InNamespace("acme")); err != nil {
			return err
		}
		uid := b.get(kindApplication, "acme", "ci").GetUID()
		for _, e := range events.Items {
			about, _, _ := unstructured.NestedString(e.Object, "regarding", "uid")
			if got, _, _ := unstructured.NestedString(e.Object, "reason"); got == reason && about == string(uid) {
				return nil
			}
		}
		return fmt.Errorf("not among %d", len(events.Items))
	})
}

func TestAGeneratedSecretIsWrittenAsItIsDeclaredAndLeftAlone(t *testing.T) {
	b := newBench(t, kube)
	now, asked := b.timed()
	b.create(generated)
	app := b.expect(kindApplication, "acme", "ci", "True")
	s := b.secret("ci-credentials")
	if s.Type != corev1.SecretTypeOpaque || s.Labels["team"] != "payments" || s.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretOutput || s.Annotations["example.com/reload"] != "true" {
		t.Errorf("type %s, labels %v, annotations %v", s.Type, s.Labels, s.Annotations)
	}
	if owner := metav1.GetControllerOf(s); owner == nil || owner.UID != app.GetUID() {
		t.Errorf("it belongs to %v", owner)
	}
	keys := slices.Sorted(maps.Keys(s.Data))
	if diff := cmp.Diff([]string{"ID", "client-secret", "issuer", "token-endpoint"}, keys); diff != "" {
		t.Error(diff)
	}
	if got := string(s.Data["ID"]) + " " + string(s.Data["issuer"]) + " " + string(s.Data["token-endpoint"]); got != "acme.acme.ci https://auth.example.com https://auth.example.com/oauth/token/" {
		t.Error(got)
	}
	if !b.proves(s, now.Now()) {
		t.Error("it does not prove the application")
	}
	if name, _, _ := unstructured.NestedString(app.Object, "status", "credentialsSecretName"); name != "ci-credentials" {
		t.Errorf("status names %q", name)
	}
	b.eventually("in status", func() error {
		list, _, _ := unstructured.NestedSlice(b.get(kindApplication, "acme", "ci").Object, "status", "credentials")
		if len(list) != 1 {
			return fmt.Errorf("%v", list)
		}
		return nil
	})
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) { spec["displayName"] = "CI" })
	b.expect(kindApplication, "acme", "ci", "True")
	if again := b.secret("ci-credentials"); again.ResourceVersion != s.ResourceVersion {
		t.Error("it was written again though nothing about it changed")
	}
	if diff := cmp.Diff([]string{"POST /api/v1/namespaces/acme/secrets "}, asked.writes()); diff != "" {
		t.Error(diff)
	}
}

func TestAGeneratedSecretIsRotatedWithItsDigestFirst(t *testing.T) {
	b := newBench(t, kube)
	now, asked := b.timed()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	first := b.secret("ci-credentials")
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
		spec["credentials"].(map[string]any)["rotation"] = map[string]any{"overlap": "1h", "generation": int64(2)}
	})
	announced := b.becomes("ci-credentials", "announced", func(s *corev1.Secret) bool { return len(b.credentials(s)) == 2 })
	if !slices.Equal(announced.Data["client-secret"], first.Data["client-secret"]) {
		t.Fatal("the secret was written with its digest")
	}
	next := b.credentials(announced)[1]
	b.eventually("the next digest is served", func() error {
		if _, app := b.snapshot().Application("acme.acme.ci"); app == nil || !app.Proves(next.Digest, now.Now()) {
			return fmt.Errorf("it proves nothing")
		}
		return nil
	})
	now.Step(credential.Lead)
	rotated := b.becomes("ci-credentials", "rotated", func(s *corev1.Secret) bool {
		return !slices.Equal(s.Data["client-secret"], first.Data["client-secret"])
	})
	b.event("CredentialsRotated")
	b.eventually("both work", func() error {
		if !b.proves(first, now.Now()) || !b.proves(rotated, now.Now()) || b.proves(first, now.Now().Add(time.Hour)) {
			return fmt.Errorf("first %v, second %v, first after the overlap %v", b.proves(first, now.Now()), b.proves(rotated, now.Now()), b.proves(first, now.Now().Add(time.Hour)))
		}
		return nil
	})
	now.Step(time.Hour)
	b.becomes("ci-credentials", "tidied", func(s *corev1.Secret) bool { return len(b.credentials(s)) == 1 })
	b.eventually("only the second works", func() error {
		if b.proves(first, now.Now()) || !b.proves(rotated, now.Now()) {
			return fmt.Errorf("the first proves %v", b.proves(first, now.Now()))
		}
		return nil
	})
	if diff := cmp.Diff([]string{"POST /api/v1/namespaces/acme/secrets ", "PUT /api/v1/namespaces/acme/secrets/ci-credentials "}, asked.writes()); diff != "" {
		t.Error(diff)
	}
}

func TestAGeneratedSecretIsRotatedByItsAge(t *testing.T) {
	b := newBench(t, kube)
	now, _ := b.timed()
	b.create(strings.Replace(generated, "overlap: 1h", "period: 24h, overlap: 1h", 1))
	b.expect(kindApplication, "acme", "ci", "True")
	first := b.secret("ci-credentials")
	due := b.credentials(first)[0].NotBefore.Add(24 * time.Hour)
	b.eventually("the next rotation is in status", func() error {
		at, _, _ := unstructured.NestedString(b.get(kindApplication, "acme", "ci").Object, "status", "nextRotationTime")
		if at != due.UTC().Format(time.RFC3339) {
			return fmt.Errorf("it is %q", at)
		}
		return nil
	})
	now.Step(24 * time.Hour)
	b.becomes("ci-credentials", "announced", func(s *corev1.Secret) bool { return len(b.credentials(s)) == 2 })
	now.Step(credential.Lead)
	b.becomes("ci-credentials", "rotated", func(s *corev1.Secret) bool {
		return !slices.Equal(s.Data["client-secret"], first.Data["client-secret"])
	})
}

func TestADeletedOutputSecretIsDeadAndANewOneIsMade(t *testing.T) {
	b := newBench(t, kube)
	now, _ := b.timed()
	b.create(generated)
	before := b.expect(kindApplication, "acme", "ci", "True")
	first := b.secret("ci-credentials")
	if err := b.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := b.becomes("ci-credentials", "made anew", func(s *corev1.Secret) bool { return s.UID != first.UID })
	b.eventually("only the new one works", func() error {
		if b.proves(first, now.Now()) || !b.proves(second, now.Now()) {
			return fmt.Errorf("the first proves %v, the second %v", b.proves(first, now.Now()), b.proves(second, now.Now()))
		}
		return nil
	})
	after := b.expect(kindApplication, "acme", "ci", "True")
	ids := [2]string{}
	for i, u := range []*unstructured.Unstructured{before, after} {
		ids[i], _, _ = unstructured.NestedString(u.Object, "status", "clientID")
	}
	if ids[0] != "acme.acme.ci" || ids[1] != ids[0] {
		t.Errorf("the client ID went from %q to %q", ids[0], ids[1])
	}
	b.event("CredentialsReplaced")
}

func TestASecretOfSomebodyElseIsNeverOverwritten(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.namespace("acme")
	for name, label := range map[string]map[string]string{"ci-credentials": nil, "labelled": {v1alpha1.SecretLabel: v1alpha1.SecretOutput}, "input": {v1alpha1.SecretLabel: v1alpha1.SecretInput}} {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: name, Labels: label}, StringData: map[string]string{"client-secret": "precious"}}
		if err := b.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	b.create(generated)
	for _, name := range []string{"ci-credentials", "labelled", "input"} {
		b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
			spec["credentials"] = map[string]any{"output": map[string]any{"secretName": name}}
		})
		u := b.expect(kindApplication, "acme", "ci", "SecretNotOwned")
		if c := condition(u, v1alpha1.ResolvedRefs); c.Reason != "SecretNotOwned" || !strings.Contains(c.Message, name) {
			t.Errorf("%s: ResolvedRefs is %+v", name, c)
		}
		if s := b.secret(name); string(s.Data["client-secret"]) != "precious" || len(s.Data) != 1 || len(s.OwnerReferences) != 0 {
			t.Errorf("%s was changed", name)
		}
		if _, app := b.snapshot().Application("acme.acme.ci"); app != nil {
			t.Errorf("it is served, without a secret of its own")
		}
	}
	// Taken away, its name is free; nobody tells of a Secret without our label.
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) { delete(spec, "credentials") })
	b.expect(kindApplication, "acme", "ci", "SecretNotOwned")
	if err := b.Delete(t.Context(), b.secret("ci-credentials")); err != nil {
		t.Fatal(err)
	}
	b.expect(kindApplication, "acme", "ci", "True")
}

// What was found out about a name is kept for as long as somebody wants that name, or who
// asks for thousands of them would fill the memory of all.
func TestANameThatNobodyWantsAnyMoreIsForgotten(t *testing.T) {
	o := Options{Installation: "here", Clock: clocktesting.NewFakeClock(time.Now())}
	w := newWorld(o)
	c := newCredentialsWriter(nil, w, nil, o)
	report := func(name string) compile.Result {
		return compile.Result{Reports: []*compile.Report{{
			Object: model.ObjectID{Kind: kindApplication, Namespace: "evil", Name: "asking", UID: "1"},
			Output: &compile.Wanted{Name: name, Made: true, Foreign: true},
		}}}
	}
	for i := range 100 {
		name := fmt.Sprint("guess-", i)
		c.replace(report(name), nil)
		w.refuse(types.NamespacedName{Namespace: "evil", Name: name}, true)
	}
	if n := len(w.refused); n != 1 {
		t.Errorf("%d names are remembered while one is wanted", n)
	}
	c.replace(compile.Result{}, nil)
	if n := len(w.refused); n != 0 {
		t.Errorf("%d names are remembered after the application is gone", n)
	}
}

func TestWithoutItsLabelAnOutputSecretProvesNothing(t *testing.T) {
	b := newBench(t, kube)
	now, _ := b.timed()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	s := b.secret("ci-credentials")
	unlabelled := s.DeepCopy()
	delete(unlabelled.Labels, v1alpha1.SecretLabel)
	if err := b.Update(t.Context(), unlabelled); err != nil {
		t.Fatal(err)
	}
	b.expect(kindApplication, "acme", "ci", "SecretNotOwned")
	if b.proves(s, now.Now()) {
		t.Error("it proves the application")
	}
	unlabelled.Labels[v1alpha1.SecretLabel] = v1alpha1.SecretOutput
	if err := b.Update(t.Context(), unlabelled); err != nil {
		t.Fatal(err)
	}
	b.expect(kindApplication, "acme", "ci", "True")
	if !b.proves(s, now.Now()) || string(b.secret("ci-credentials").Data["client-secret"]) != string(s.Data["client-secret"]) {
		t.Error("with its label back it is another secret")
	}
}

func TestAnOutputSecretThatSomebodyChangedIsHealed(t *testing.T) {
	b := newBench(t, kube)
	now, _ := b.timed()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	first := b.secret("ci-credentials")
	t.Run("what is not secret", func(t *testing.T) {
		s := b.secret("ci-credentials")
		s.Data["issuer"], s.Data["more"] = []byte("https://evil.example"), []byte("x")
		delete(s.Labels, "team")
		s.Labels["from"] = "somebody-else"
		if err := b.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		healed := b.becomes("ci-credentials", "healed", func(s *corev1.Secret) bool { return string(s.Data["issuer"]) == "https://auth.example.com" })
		if healed.Labels["team"] != "payments" || healed.Labels["from"] != "somebody-else" || healed.Data["more"] != nil || string(healed.Data["client-secret"]) != string(first.Data["client-secret"]) {
			t.Errorf("labels %v, %d keys", healed.Labels, len(healed.Data))
		}
	})
	t.Run("the secret", func(t *testing.T) {
		s := b.secret("ci-credentials")
		s.Data["client-secret"] = []byte("of-my-own-which-is-long-enough-to-be-one")
		if err := b.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		healed := b.becomes("ci-credentials", "healed", func(s *corev1.Secret) bool {
			return strings.HasPrefix(string(s.Data["client-secret"]), credential.Prefix)
		})
		b.eventually("served", func() error {
			if !b.proves(healed, now.Now()) || !b.proves(first, now.Now()) || b.proves(s, now.Now()) {
				return fmt.Errorf("new %v, before %v, by hand %v", b.proves(healed, now.Now()), b.proves(first, now.Now()), b.proves(s, now.Now()))
			}
			return nil
		})
	})
	t.Run("a label that is declared no more goes", func(t *testing.T) {
		b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
			spec["credentials"].(map[string]any)["output"] = map[string]any{"labels": map[string]any{"team": "billing"}, "keys": map[string]any{"clientID": "ID"}}
		})
		s := b.becomes("ci-credentials", "labelled", func(s *corev1.Secret) bool { return s.Labels["team"] == "billing" })
		if _, kept := s.Annotations["example.com/reload"]; kept || s.Labels["from"] != "somebody-else" {
			t.Errorf("labels %v, annotations %v", s.Labels, s.Annotations)
		}
	})
}

// Whoever may write Secrets beside an application can spoil its own all the time. It is healed
// now and then, and in the end, or the Secrets of the others would wait.
func TestASecretThatIsSpoiledAllTheTimeIsHealedNowAndThen(t *testing.T) {
	b := newBench(t, kube)
	var written atomic.Int64
	o := b.options()
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return counting{next, "/secrets/ci-credentials", &written}
	})
	b.start(o)
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	start, times := time.Now(), 0
	for ; time.Since(start) < 4*time.Second; times++ {
		s := b.secret("ci-credentials")
		delete(s.Data, "token-endpoint")
		s.Data["spoiled"] = []byte(fmt.Sprint(times))
		if err := b.Update(t.Context(), s); err != nil && !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	if got, most := written.Load(), int64(secretAtOnce+took/secretEvery)+1; got > most || times < 2*int(most) {
		t.Errorf("spoiled %d times in %v, it was written %d times, want at most %d", times, took, got, most)
	}
	b.becomes("ci-credentials", "healed", func(s *corev1.Secret) bool { return s.Data["spoiled"] == nil && s.Data["token-endpoint"] != nil })
}

func TestAnOutputSecretThatIsWantedNoMoreGoes(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	gone := func(name string) {
		t.Helper()
		b.eventually(name+" gone", func() error {
			err := b.Get(t.Context(), client.ObjectKey{Namespace: "acme", Name: name}, &corev1.Secret{})
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		})
	}
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
		spec["credentials"] = map[string]any{"output": map[string]any{"secretName": "other"}}
	})
	gone("ci-credentials")
	b.expect(kindApplication, "acme", "ci", "True")
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) { spec["scopes"] = []any{"org:read", "no:such"} })
	b.expect(kindApplication, "acme", "ci", "UnknownScope")
	b.secret("other") // a mistake ends nothing for good
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
		spec["scopes"] = []any{"org:read"}
		spec["credentials"] = map[string]any{"source": "FromSecret", "fromSecret": map[string]any{"name": "x", "key": "y"}}
	})
	gone("other")
}

// What was announced is in the memory of the leader alone. Its successor announces another
// one, and what clients have works on.
func TestALeaderThatIsGoneBetweenDigestAndSecretCostsNothing(t *testing.T) {
	b := newBench(t, kube)
	o := b.options()
	now := clocktest.New(t)
	o.Clock = now
	c, stop := b.start(o)
	b.eventually("published", func() error { return c.Ready() })
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	first := b.secret("ci-credentials")
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
		spec["credentials"].(map[string]any)["rotation"] = map[string]any{"generation": int64(2)}
	})
	lost := b.credentials(b.becomes("ci-credentials", "announced", func(s *corev1.Secret) bool { return len(b.credentials(s)) == 2 }))[1]
	stop()
	now.Step(time.Minute)
	b.start(o)
	b.becomes("ci-credentials", "announced anew", func(s *corev1.Secret) bool {
		list := b.credentials(s)
		return len(list) == 2 && list[1].ID != lost.ID && slices.Equal(s.Data["client-secret"], first.Data["client-secret"])
	})
	now.Step(credential.Lead)
	rotated := b.becomes("ci-credentials", "rotated", func(s *corev1.Secret) bool {
		return !slices.Equal(s.Data["client-secret"], first.Data["client-secret"])
	})
	b.eventually("both work", func() error {
		if !b.proves(first, now.Now()) || !b.proves(rotated, now.Now()) {
			return fmt.Errorf("first %v, second %v", b.proves(first, now.Now()), b.proves(rotated, now.Now()))
		}
		return nil
	})
}

func TestHundredsOfSecretsAreWrittenOnceEach(t *testing.T) {
	const n = 150
	b := newBench(t, kube)
	_, asked := b.timed()
	b.create(generated)
	for i := range n {
		b.create(fmt.Sprintf(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: many-%d, namespace: acme}
spec: {organizationRef: {name: acme}, type: Machine, scopes: ["org:read"]}
`, i))
	}
	b.eventually("all of them served", func() error {
		served := 0
		for i := range n {
			if _, app := b.snapshot().Application(fmt.Sprintf("acme.acme.many-%d", i)); app != nil {
				served++
			}
		}
		if served < n {
			return fmt.Errorf("%d of %d are served", served, n)
		}
		return nil
	})
	asked.mu.Lock()
	defer asked.mu.Unlock()
	if got := asked.seen["POST /api/v1/namespaces/acme/secrets "]; got != n+1 {
		t.Errorf("%d Secrets were created for %d applications", got, n+1)
	}
	for request := range asked.seen {
		if strings.HasPrefix(request, "PUT") || strings.HasPrefix(request, "DELETE") {
			t.Errorf("%s", request)
		}
	}
}
