// Package kstatus judges our objects as deployment tools do: by the library that Flux
// waits with.
package kstatus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// declared objects, and what a deployment tool must see once they have been judged.
var declared = []struct {
	want     status.Status
	manifest string
}{
	{status.CurrentStatus, `{kind: AuthProvider, metadata: {name: local, namespace: gatehouse-system}, spec: {type: Local}}`},
	{status.CurrentStatus, `{kind: Organization, metadata: {name: acme, namespace: acme}, spec: {slug: acme}}`},
	{status.CurrentStatus, `{kind: ApiApplication, metadata: {name: cli, namespace: acme}, spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}}`},
	{status.CurrentStatus, `{kind: Role, metadata: {name: member, namespace: acme}, spec: {organizationRef: {name: acme}, rules: [{scopes: ["org:read"]}]}}`},
	// Only an edit cures these.
	{status.FailedStatus, `{kind: AuthProvider, metadata: {name: unknown, namespace: gatehouse-system}, spec: {type: NoSuchType}}`},
	{status.FailedStatus, `{kind: Organization, metadata: {name: wrong, namespace: wrong}, spec: {slug: wrong, tokens: {accessTokenTTL: 99999h}}}`},
	{status.FailedStatus, `{kind: ApiApplication, metadata: {name: unknown, namespace: acme}, spec: {organizationRef: {name: acme}, type: NoSuchType, scopes: ["org:read"]}}`},
	{status.FailedStatus, `{kind: Role, metadata: {name: unknown, namespace: acme}, spec: {organizationRef: {name: acme}, subjects: [{kind: NoSuchKind, name: a}]}}`},
	// Another object may cure these.
	{status.InProgressStatus, `{kind: Organization, metadata: {name: other, namespace: acme}, spec: {slug: not-granted}}`},
	{status.InProgressStatus, `{kind: ApiApplication, metadata: {name: early, namespace: acme}, spec: {organizationRef: {name: not-yet}, type: Device, scopes: ["org:read"]}}`},
	{status.InProgressStatus, `{kind: Role, metadata: {name: early, namespace: acme}, spec: {organizationRef: {name: acme}, inherits: [{name: not-yet}], rules: [{scopes: ["org:read"]}]}}`},
}

func TestDeploymentToolsSeeInProgressThenTheVerdict(t *testing.T) {
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	kube, err := localkube.Start("", definitions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(kube.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gatehouse-system", "acme", "wrong"} {
		create(t, c, fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: %s}}`, name))
	}
	var objects []*unstructured.Unstructured
	for _, d := range declared {
		objects = append(objects, create(t, c, "{apiVersion: auth.gatehouse.dev/v1alpha1, "+d.manifest[1:]))
	}
	for _, u := range objects {
		if got := compute(t, c, u); got != status.InProgressStatus {
			t.Errorf("before the first verdict %s %s is %s", u.GetKind(), u.GetName(), got)
		}
	}
	follow(t, kube)
	for i, d := range declared {
		u := objects[i]
		for end := time.Now().Add(30 * time.Second); compute(t, c, u) != d.want || !judged(u); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s %s is %s, want %s: %v", u.GetKind(), u.GetName(), compute(t, c, u), d.want, u.Object["status"])
				break
			}
		}
	}
}

// follow runs the controllers; what is published is served by nobody.
func follow(t *testing.T, kube *localkube.Cluster) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	cluster := controllers.New(controllers.Options{
		Config: kube.Config, SystemNamespace: "gatehouse-system", Installation: "kstatus",
		DigestKey: model.NewSensitive("0123456789abcdef0123456789abcdef"),
		Publish:   func(context.Context, *model.Snapshot) error { return nil },
		Log:       logr.Discard(),
	})
	go func() { done <- cluster.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func create(t *testing.T, c client.Client, manifest string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), u); err != nil {
		t.Fatalf("%s: %v", manifest, err)
	}
	return u
}

// compute reads the object again and asks kstatus.
func compute(t *testing.T, c client.Client, u *unstructured.Unstructured) status.Status {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
		t.Fatal(err)
	}
	result, err := status.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

func judged(u *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(u.Object, "status", "observedGeneration")
	return observed == u.GetGeneration()
}
