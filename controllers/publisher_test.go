package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

func TestAnEmptyClusterIsPublished(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	if b.snapshot() == nil {
		t.Error("ready without a snapshot")
	}
}

func TestAWriteThatTheStoreRefusesNeverEndsReady(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	secretCause := errors.New("disk is full at /var/lib/very-private")
	b.refuse.Store(&secretCause)
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	u := b.expect(kindRole, "acme", "member", "StorageError")
	if c := condition(u, v1alpha1.Programmed); c.Status != metav1.ConditionFalse || strings.Contains(c.Message, "private") {
		t.Errorf("Programmed is %+v", c)
	}
	if c := condition(u, v1alpha1.Reconciling); c.Status != metav1.ConditionTrue {
		t.Errorf("Reconciling is %+v", c)
	}
	b.expect(kindApplication, "acme", "cli", "True") // what was published before is served on
	b.refuse.Store(nil)
	b.expect(kindRole, "acme", "member", "True")
}

func TestOnlyLabelledSecretsAreSeen(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	count := b.published()
	for _, label := range []map[string]string{nil, {v1alpha1.SecretLabel: "outputs"}, {v1alpha1.SecretLabel: "keyring"}} {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "other-", Namespace: "acme", Labels: label}, StringData: map[string]string{"a": "b"}}
		if err := b.Create(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	// A change that is seen; had the Secrets been, each would have been published before it.
	b.change(kindRole, "acme", "member", func(spec map[string]any) { spec["displayName"] = "Member" })
	b.eventually("published", func() error {
		if b.published() == count {
			return errors.New("not yet")
		}
		return nil
	})
	if got := b.published() - count; got != 1 {
		t.Errorf("published %d times for one change", got)
	}
}

func TestHundredsOfEachKindAreServed(t *testing.T) {
	const n = 150
	b := newBench(t, kube)
	b.serve()
	var slugs []string
	for i := range n {
		slugs = append(slugs, fmt.Sprintf("org-%d", i))
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "many", Annotations: map[string]string{v1alpha1.SlugsAnnotation: strings.Join(slugs, ", ")},
	}}
	if err := b.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(16)
	for i := range n {
		for _, u := range documents(fmt.Appendf(nil, manyOfEach, i)) {
			g.Go(func() error { return b.Create(t.Context(), u) })
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	created := time.Since(start)
	for i := range n {
		b.expect(kindOrganization, "many", fmt.Sprintf("o%d", i), "True")
		b.expect(kindApplication, "many", fmt.Sprintf("a%d", i), "True")
		b.expect(kindRole, "many", fmt.Sprintf("r%d", i), "True")
		b.eventually("judged", func() error {
			if u := b.get(kindProvider, systemNamespace, fmt.Sprintf("p%d", i)); observed(u) != u.GetGeneration() {
				return fmt.Errorf("observed %d", observed(u))
			}
			return nil
		})
	}
	t.Logf("%d of each: created in %v, all statuses written %v after the first", n, created, time.Since(start))
	b.eventually("counted", func() error {
		for i := range n {
			o := b.get(kindOrganization, "many", fmt.Sprintf("o%d", i))
			if s := o.Object["status"].(map[string]any); s["applications"] != int64(1) || s["roles"] != int64(1) {
				return fmt.Errorf("organization %d has %v applications and %v roles", i, s["applications"], s["roles"])
			}
		}
		return nil
	})
}

const manyOfEach = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: o%[1]d, namespace: many}
spec: {slug: org-%[1]d}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: a%[1]d, namespace: many}
spec: {organizationRef: {name: o%[1]d}, type: Device, scopes: ["org:read"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: r%[1]d, namespace: many}
spec: {organizationRef: {name: o%[1]d}, rules: [{scopes: ["org:read"]}]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: p%[1]d, namespace: gatehouse-system}
spec: {type: Local}
`

func TestAChangeIsServedWithinASecond(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.create(good)
	b.expectGood()
	var took []time.Duration
	for i := range 20 {
		before := b.snapshot().Digest
		b.change(kindRole, "acme", "member", func(spec map[string]any) {
			spec["subjects"] = []any{map[string]any{"kind": "User", "name": fmt.Sprintf("ann%d@acme.example", i)}}
		})
		start := time.Now() // how long the API server takes to store it is its own affair
		b.eventually("served", func() error {
			if b.snapshot().Digest == before {
				return errors.New("it is not")
			}
			return nil
		})
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("a Role's change is published %v (median) and %v (slowest of %d) after it was stored", took[len(took)/2], took[len(took)-1], len(took))
	if slowest := took[len(took)-1]; slowest > time.Second {
		t.Errorf("one change took %v", slowest)
	}
}
