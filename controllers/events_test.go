package controllers

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// told are the Events about one object, as "Type Reason", in ascending order of their time.
func (b *bench) told(u client.Object) (all []string) {
	b.t.Helper()
	var list eventsv1.EventList
	if err := b.List(b.t.Context(), &list, client.InNamespace(u.GetNamespace())); err != nil {
		b.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(x, y eventsv1.Event) int { return x.EventTime.Compare(y.EventTime.Time) })
	for _, e := range list.Items {
		if e.Regarding.UID == u.GetUID() {
			all = append(all, e.Type+" "+e.Reason)
		}
	}
	return all
}

func TestAnEventTellsThatReadyChanged(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	cli := b.get(kindApplication, "acme", "cli")
	scopes := func(scopes ...any) {
		b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["scopes"] = scopes })
	}
	for _, step := range []struct {
		change func()
		ready  string // what Ready becomes, or its reason
		want   string // the last Event; empty for no new one
	}{
		{func() { scopes("no:such") }, "UnknownScope", "Warning UnknownScope"},
		{func() { scopes("no:other") }, "UnknownScope", ""}, // neither status nor reason changed
		{func() { scopes("org:read") }, "True", "Normal Programmed"},
		{func() {
			b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["suspend"] = true })
		}, "True", "Normal Suspended"},
	} {
		before := b.told(cli)
		step.change()
		b.expect(kindApplication, "acme", "cli", step.ready)
		if step.want == "" {
			continue // what comes next would be behind it
		}
		b.eventually("told", func() error {
			now := b.told(cli)
			if len(now) != len(before)+1 || now[len(now)-1] != step.want {
				return fmt.Errorf("told %q after %q, want %s", now, before, step.want)
			}
			return nil
		})
	}
	var list eventsv1.EventList
	if err := b.List(t.Context(), &list, client.InNamespace("acme")); err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Items {
		if e.Regarding.UID == cli.GetUID() && e.Reason == "UnknownScope" &&
			(e.Action != publishing || e.Regarding.Kind != kindApplication || e.Regarding.Name != "cli" || !strings.Contains(e.Note, "spec.scopes[0]: \"no:such\"")) {
			t.Errorf("%+v", e)
		}
	}
	for _, o := range theGood {
		if u := b.get(o[0], o[1], o[2]); o[2] != "cli" && len(b.told(u)) > 0 {
			t.Errorf("%v was served at once, and %q was told of it", o, b.told(u))
		}
	}
}

// What did not change is told neither again and again, nor by the next leader, nor after a
// restart.
func TestASettledWorldAndARestartTellNothing(t *testing.T) {
	b := newBench(t, kube)
	var w writes
	o := b.options()
	w.wrap(&o)
	_, stop := b.start(o)
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: broken, namespace: acme}
spec: {organizationRef: {name: acme}, type: NoSuchType, scopes: ["org:read"]}
`)
	b.expectGood()
	broken := b.expect(kindApplication, "acme", "broken", "UnsupportedValue")
	b.eventually("told once", func() error {
		if got := b.told(broken); !slices.Equal(got, []string{"Warning UnsupportedValue"}) {
			return fmt.Errorf("told %q", got)
		}
		return nil
	})
	stop()
	o = b.options()
	var again writes
	again.wrap(&o)
	b.start(o)
	// The first write of the next leader is that of a change; all it found was looked at before.
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	b.expect(kindRole, "acme", "member", "True")
	b.eventually("led for a while", func() error {
		if n := again.lease.Load(); n < 10 {
			return fmt.Errorf("renewed %d times", n)
		}
		return nil
	})
	if got := b.told(broken); len(got) != 1 {
		t.Errorf("told %q", got)
	}
	if n := again.other.Load(); n > 2 { // the Role, and perhaps the counts of its Organization
		t.Errorf("%d writes after a restart", n)
	}
}

func TestEventsOfOneNamespaceAreBoundedAndCostTheOthersNone(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	recorder := events.NewFakeRecorder(10 * eventsAtOnce)
	h := newHerald(recorder, clock)
	broken := metav1.Condition{Type: v1alpha1.Ready, Status: metav1.ConditionFalse, Reason: "InvalidSpec", Message: strings.Repeat("é", noteBytes)}
	tell := func(namespace string, times int) (told int) {
		for i := range times {
			h.tell(model.ObjectID{Kind: kindRole, Namespace: namespace, Name: fmt.Sprint(i)}, metav1.Condition{}, broken)
		}
		for len(recorder.Events) > 0 {
			<-recorder.Events
			told++
		}
		return told
	}
	if n := tell("evil", 5*eventsAtOnce); n != eventsAtOnce {
		t.Errorf("%d Events at once, want %d", n, eventsAtOnce)
	}
	if n := tell("acme", 1); n != 1 {
		t.Error("one namespace keeps another from its Events")
	}
	clock.Step(3 * eventsEvery)
	if n := tell("evil", eventsAtOnce); n != 3 {
		t.Errorf("%d Events after a while, want 3", n)
	}
	if n := note(broken.Message); len(n) > noteBytes || !strings.HasSuffix(n, "é…") {
		t.Errorf("a note of %d bytes", len(n))
	}
}

func TestWhatIsWorthAnEvent(t *testing.T) {
	state := func(text string) metav1.Condition {
		status, reason, found := strings.Cut(text, " ")
		if !found {
			return metav1.Condition{}
		}
		return metav1.Condition{Type: v1alpha1.Ready, Status: metav1.ConditionStatus(status), Reason: reason}
	}
	for _, test := range [][3]string{ // before, now, type of the Event
		{"", "True Programmed", ""},
		{"", "True Suspended", ""},
		{"", "False Pending", ""},
		{"", "False InvalidSpec", "Warning"},
		{"False Pending", "True Programmed", ""},
		{"False Pending", "False SecretNotOwned", "Warning"},
		{"True Programmed", "False Pending", ""},
		{"True Programmed", "True Programmed", ""},
		{"True Programmed", "True Suspended", "Normal"},
		{"True Programmed", "False Expired", "Warning"},
		{"False InvalidSpec", "False InvalidSpec", ""},
		{"False InvalidSpec", "False UnknownScope", "Warning"},
		{"False StorageError", "True Programmed", "Normal"},
	} {
		if kind, worth := toldOfReady(state(test[0]), state(test[1])); kind != test[2] || worth != (test[2] != "") {
			t.Errorf("%q → %q: %q", test[0], test[1], kind)
		}
	}
}

// Whoever changes an object all the time has its status written now and then, and the last
// verdict in the end; everybody else waits no longer for theirs.
func TestAnObjectThatFlapsIsWrittenNowAndThenAndCostsTheOthersNothing(t *testing.T) {
	b := newBench(t, kube)
	var written atomic.Int64
	o := b.options()
	o.Config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return counting{next, "/namespaces/evil/apiapplications/flapping/status", &written}
	})
	b.start(o)
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: evil, namespace: evil}
spec: {slug: evil}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: flapping, namespace: evil}
spec: {organizationRef: {name: evil}, type: Device, scopes: ["org:read"]}
`)
	b.expectGood()
	flapping := b.expect(kindApplication, "evil", "flapping", "True")
	start, flips := time.Now(), 0
	for ; time.Since(start) < 4*time.Second; flips++ {
		scope := []any{"no:such", "org:read"}[flips%2]
		b.change(kindApplication, "evil", "flapping", func(spec map[string]any) { spec["scopes"] = []any{scope} })
		if flips%50 == 10 {
			asked := time.Now()
			b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["displayName"] = fmt.Sprint("CLI ", flips) })
			b.expect(kindApplication, "acme", "cli", "True")
			if took := time.Since(asked); took > 2*time.Second {
				t.Errorf("the status of another tenant took %v", took)
			}
		}
	}
	took := time.Since(start)
	if got, most := written.Load(), int64(statusAtOnce+took/statusEvery)+1; got > most || flips < 2*int(most) {
		t.Errorf("%d changes in %v gave %d writes, want at most %d", flips, took, got, most)
	}
	b.change(kindApplication, "evil", "flapping", func(spec map[string]any) { spec["scopes"] = []any{"org:read"} })
	b.expect(kindApplication, "evil", "flapping", "True")
	if told := b.told(flapping); len(told) > 2 {
		t.Errorf("%d Events, want a series for each reason: %q", len(told), told)
	}
	t.Logf("%d changes in %v: %d writes of status", flips, took, written.Load())
}

// counting counts the requests to a path that change something.
type counting struct {
	next  http.RoundTripper
	path  string
	count *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, c.path) {
		c.count.Add(1)
	}
	return c.next.RoundTrip(r)
}

// Nothing but the clock moves, and the status follows it.
func TestAnExpiryThatComesIsWrittenOnTimeAndNotBefore(t *testing.T) {
	b := newBench(t, kube)
	clock := clocktesting.NewFakeClock(time.Now())
	o := b.options()
	o.Clock = clock
	c, _ := b.start(o)
	b.eventually("published", c.Ready)
	b.create(good)
	ends := clock.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["expiresAt"] = ends })
	b.expectGood()
	before, published := b.expect(kindApplication, "acme", "cli", "True"), 0
	b.eventually("settled", func() error { // the last that is published is what was declared last
		published = b.published()
		_, app := b.snapshot().Application("acme.acme.cli")
		if app == nil || app.ExpiresAt.IsZero() {
			return fmt.Errorf("the snapshot has %+v", app)
		}
		return nil
	})
	b.eventually("waiting", func() error {
		if !clock.HasWaiters() {
			return fmt.Errorf("nobody waits for the clock")
		}
		return nil
	})
	clock.Step(time.Hour - time.Second)
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	b.expect(kindRole, "acme", "member", "True") // somebody looked at the clock since
	published++
	if now := b.get(kindApplication, "acme", "cli"); now.GetResourceVersion() != before.GetResourceVersion() {
		t.Errorf("written before its time: %v", now.Object["status"])
	}
	clock.Step(time.Second)
	u := b.expect(kindApplication, "acme", "cli", "Expired")
	if c := condition(u, v1alpha1.Programmed); c.Status != metav1.ConditionFalse {
		t.Errorf("%+v", c)
	}
	if b.published() != published {
		t.Errorf("published %d times meanwhile", b.published()-published)
	}
}

// An API server takes no Event there, and client-go would log that as an error each time.
func TestANamespaceThatEndsIsToldNothing(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: ending, namespace: ending}
spec: {slug: ending}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: ending}
spec: {organizationRef: {name: ending}, type: Device, scopes: ["org:read"]}
`)
	b.expect(kindApplication, "ending", "cli", "True")
	from := len(b.requests())
	if err := b.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ending"}}); err != nil {
		t.Fatal(err)
	}
	b.create(good) // seen after the end of the namespace
	b.expectGood()
	b.change(kindApplication, "ending", "cli", func(spec map[string]any) { spec["scopes"] = []any{"no:such"} })
	b.expect(kindApplication, "ending", "cli", "False")
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["scopes"] = []any{"no:such"} })
	cli := b.expect(kindApplication, "acme", "cli", "False")
	b.eventually("told", func() error {
		if len(b.told(cli)) == 0 {
			return errors.New("nothing of the other one yet")
		}
		return nil
	})
	for _, r := range b.requests()[from:] {
		if r.Resource == "events" && r.Namespace == "ending" {
			t.Errorf("%+v", r)
		}
	}
}
