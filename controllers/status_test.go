package controllers

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// good is one sound object of each kind, and a machine with its Secret.
const good = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: local, namespace: gatehouse-system}
spec: {type: Local}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
---
apiVersion: v1
kind: Secret
metadata: {name: ci, namespace: acme, labels: {auth.gatehouse.dev/secret: input}}
stringData: {secret: 0123456789-0123456789-0123456789-}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: ci, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["org:read"]
  credentials: {source: FromSecret, fromSecret: {name: ci, key: secret}}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: member, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["org:read"]}]
  subjects: [{kind: User, name: ann@acme.example}]
`

// theGood lists the objects of good.
var theGood = [][3]string{
	{kindProvider, systemNamespace, "local"}, {kindOrganization, "acme", "acme"},
	{kindApplication, "acme", "cli"}, {kindApplication, "acme", "ci"}, {kindRole, "acme", "member"},
}

func (b *bench) expectGood() {
	b.t.Helper()
	for _, o := range theGood {
		b.expect(o[0], o[1], o[2], "True")
	}
}

func TestEachKindSaysThatItIsServed(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	for _, o := range theGood {
		u := b.get(o[0], o[1], o[2])
		for _, kind := range []string{v1alpha1.Accepted, v1alpha1.ResolvedRefs, v1alpha1.Programmed, v1alpha1.Ready} {
			if c := condition(u, kind); c.Status != metav1.ConditionTrue || c.ObservedGeneration != u.GetGeneration() || c.LastTransitionTime.IsZero() {
				t.Errorf("%v: %s is %+v", o, kind, c)
			}
		}
		for _, kind := range []string{v1alpha1.Reconciling, v1alpha1.Stalled} {
			if c := condition(u, kind); c.Type != "" {
				t.Errorf("%v: %s is present: %+v", o, kind, c)
			}
		}
		for _, f := range u.GetManagedFields() {
			if f.Subresource == "status" && (f.Manager != "gatehouse-test" || f.Operation != metav1.ManagedFieldsOperationApply) {
				t.Errorf("%v: status written by %s with %s", o, f.Manager, f.Operation)
			}
		}
	}
	if o, a := b.snapshot().Application("acme.acme.cli"); o == nil || a == nil {
		t.Error("the application is not in the snapshot")
	}
}

func TestOneBrokenObjectOfEachKindLeavesTheGoodOnesServing(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: kerberos, namespace: gatehouse-system}
spec: {type: Kerberos}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: globex, namespace: acme}
spec: {slug: globex}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: web, namespace: acme}
spec: {organizationRef: {name: acme}, type: Desktop, scopes: ["org:read"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: stranger, namespace: elsewhere}
spec: {organizationRef: {name: acme, namespace: acme}, rules: [{scopes: ["org:read"]}]}
`)
	for _, bad := range []struct{ kind, namespace, name, reason, abnormal, says string }{
		{kindProvider, systemNamespace, "kerberos", "UnsupportedValue", v1alpha1.Stalled, "Kerberos"},
		{kindOrganization, "acme", "globex", "SlugNotGranted", v1alpha1.Reconciling, "globex"},
		{kindApplication, "acme", "web", "UnsupportedValue", v1alpha1.Stalled, "Desktop"},
		{kindRole, "elsewhere", "stranger", "NotAdmitted", v1alpha1.Reconciling, "no Organization acme/acme admits this namespace"},
	} {
		u := b.expect(bad.kind, bad.namespace, bad.name, bad.reason)
		ready, abnormal := condition(u, v1alpha1.Ready), condition(u, bad.abnormal)
		if !strings.Contains(ready.Message, bad.says) {
			t.Errorf("%s: the message does not name %q: %s", bad.kind, bad.says, ready.Message)
		}
		if abnormal.Status != metav1.ConditionTrue || abnormal.Reason != bad.reason {
			t.Errorf("%s: %s is %+v", bad.kind, bad.abnormal, abnormal)
		}
		if c := condition(u, v1alpha1.Programmed); c.Status != metav1.ConditionFalse {
			t.Errorf("%s: Programmed is %+v", bad.kind, c)
		}
	}
	b.expectGood()
	if o, a := b.snapshot().Application("acme.acme.ci"); o == nil || a == nil {
		t.Error("a good application is no longer served")
	}
}

func TestASecretThatArrivesLateIsPickedUp(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(`
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
  credentials: {source: FromSecret, fromSecret: {name: ci, key: secret}}
`)
	before := b.expect(kindApplication, "acme", "ci", "SecretNotFound")
	secret := func() *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "ci", Namespace: "acme", Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}},
			StringData: map[string]string{"secret": "0123456789-0123456789-0123456789-"},
		}
	}
	if err := b.Create(t.Context(), secret()); err != nil {
		t.Fatal(err)
	}
	after := b.expect(kindApplication, "acme", "ci", "True")
	if before.GetGeneration() != after.GetGeneration() {
		t.Error("the application was touched")
	}

	t.Run("a changed one too", func(t *testing.T) {
		old := b.snapshot()
		s := secret()
		s.StringData["secret"] = "another-another-another-another-another"
		if err := b.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		b.eventually("a new snapshot", func() error {
			if b.snapshot().Digest == old.Digest {
				return fmt.Errorf("digest is still %s", old.Digest)
			}
			return nil
		})
	})
	t.Run("without the label it is not there", func(t *testing.T) {
		s := secret()
		s.Labels = nil
		if err := b.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		b.expect(kindApplication, "acme", "ci", "SecretNotFound")
	})
}

func TestExpiryFlipsWithoutAnEvent(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	soon := metav1.Now().Add(2e9).UTC().Format("2006-01-02T15:04:05.000Z")
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["expiresAt"] = soon })
	u := b.expect(kindApplication, "acme", "cli", "Expired")
	for _, kind := range []string{v1alpha1.Reconciling, v1alpha1.Stalled} {
		if c := condition(u, kind); c.Type != "" {
			t.Errorf("%s is present: %+v", kind, c)
		}
	}
}

func TestTransitionTimeStaysWhileTheStatusStays(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	before := condition(b.expect(kindApplication, "acme", "cli", "True"), v1alpha1.Ready)
	metaSecondPasses(b)
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["suspend"] = true })
	b.eventually("suspended", func() error {
		c := condition(b.get(kindApplication, "acme", "cli"), v1alpha1.Ready)
		if c.Reason != "Suspended" {
			return fmt.Errorf("reason is %s", c.Reason)
		}
		if c.Status != before.Status || !c.LastTransitionTime.Equal(&before.LastTransitionTime) {
			b.t.Errorf("status stayed %s, the time went from %v to %v", c.Status, before.LastTransitionTime, c.LastTransitionTime)
		}
		return nil
	})
	b.change(kindApplication, "acme", "cli", func(spec map[string]any) { spec["scopes"] = []any{"no:such"} })
	c := condition(b.expect(kindApplication, "acme", "cli", "UnknownScope"), v1alpha1.Ready)
	if !before.LastTransitionTime.Before(&c.LastTransitionTime) {
		t.Errorf("status flipped, the time stayed %v", c.LastTransitionTime)
	}
}

// metaSecondPasses waits until the API's clock, which counts seconds, has moved.
func metaSecondPasses(b *bench) {
	start := metav1.Now().Unix()
	b.eventually("a second later", func() error {
		if metav1.Now().Unix() <= start {
			return fmt.Errorf("still %d", start)
		}
		return nil
	})
}

func TestAForeignHandOnStatusIsUndone(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	u := b.expect(kindApplication, "acme", "cli", "True")
	u.Object["status"].(map[string]any)["clientID"] = "somebody.else"
	if err := b.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	b.eventually("undone", func() error {
		id, _, _ := unstructured.NestedString(b.get(kindApplication, "acme", "cli").Object, "status", "clientID")
		if id != "acme.acme.cli" {
			return fmt.Errorf("clientID is %q", id)
		}
		return nil
	})
}

func TestARecreatedObjectGetsAVerdictOfItsOwn(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	old := b.expect(kindApplication, "acme", "cli", "True")
	if err := b.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
`)
	now := b.expect(kindApplication, "acme", "cli", "True")
	b.eventually("in the snapshot with its own UID", func() error {
		if _, a := b.snapshot().Application("acme.acme.cli"); a == nil || a.UID != string(now.GetUID()) {
			return fmt.Errorf("the snapshot has %+v", a)
		}
		return nil
	})
}

// A tenant who changes an object all the time makes every write come too late. Those that
// fail count like those that do not, or the others would wait for their turn behind them.
func TestWritesThatComeTooLateAreBoundedToo(t *testing.T) {
	b := newBench(t, kube)
	b.create(good)
	o := b.options()
	o.Clock = clocktesting.NewFakeClock(time.Now())
	var sent atomic.Int64
	config := rest.CopyConfig(o.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return counting{next, "/apiapplications/cli/status", &sent}
	})
	c, err := client.New(config, client.Options{Scheme: b.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	u := b.get(kindApplication, "acme", "cli")
	id := model.ObjectID{Kind: kindApplication, Namespace: "acme", Name: "cli", UID: string(u.GetUID())}
	w := newWorld(o)
	w.statuses[id] = storedStatus{objectStatus: statusOf(&v1alpha1.ApiApplication{}), version: "1"} // before the last change
	s := newStatusWriter(c, w, nil, o)
	s.forget()
	s.verdicts[id] = verdict{&compile.Report{Object: id}, compile.Programmed{Reason: v1alpha1.ReasonProgrammed}}
	for range 2 * statusAtOnce {
		before := sent.Load()
		again, err := s.write(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if sent.Load() == before && again <= 0 {
			t.Fatal("it was not written, and is never looked at again")
		}
	}
	if got := sent.Load(); got != statusAtOnce {
		t.Errorf("%d writes that came too late, want %d", got, statusAtOnce)
	}
}

// While the cache has not our own write yet, the next one rests on it: what holds still keeps
// its time, and no Event tells of it twice.
func TestAWriteThatIsNotSeenYetIsWhatTheNextRestsOn(t *testing.T) {
	b := newBench(t, kube)
	b.create(good)
	clock := clocktesting.NewFakeClock(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
	o := b.options()
	o.Clock = clock
	c, err := client.New(o.Config, client.Options{Scheme: b.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	u := b.get(kindApplication, "acme", "cli")
	id := model.ObjectID{Kind: kindApplication, Namespace: "acme", Name: "cli", UID: string(u.GetUID())}
	w := newWorld(o)
	w.statuses[id] = storedStatus{objectStatus: statusOf(&v1alpha1.ApiApplication{}), version: u.GetResourceVersion()} // as it stays
	s := newStatusWriter(c, w, nil, o)
	s.forget()
	report := &compile.Report{Object: id}
	for _, reason := range []v1alpha1.Reason{v1alpha1.ReasonProgrammed, v1alpha1.ReasonProgrammed, v1alpha1.ReasonStorageError} {
		s.verdicts[id] = verdict{report, compile.Programmed{Reason: reason}}
		s.herald.spent["acme"] = pace{clock.Now().Add(time.Hour)} // this is not about Events
		if _, err := s.write(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		clock.Step(time.Minute)
	}
	u = b.get(kindApplication, "acme", "cli")
	if at := condition(u, v1alpha1.Accepted).LastTransitionTime; !at.Time.Equal(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("Accepted since %v", at)
	}
	if at := condition(u, v1alpha1.Programmed).LastTransitionTime; !at.Time.Equal(time.Date(2026, 6, 1, 12, 2, 0, 0, time.UTC)) {
		t.Errorf("Programmed since %v", at)
	}
}
