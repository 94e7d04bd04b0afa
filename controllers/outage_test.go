package controllers

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// An API server of its own: these tests take it away.
func TestTheAPIServerIsWaitedForAndNeverMissed(t *testing.T) {
	k, err := localkube.Start(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := install(k); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, k)
	c, _ := b.start(b.options())

	b.eventually("named what is missing", func() error {
		if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "organizations.auth.gatehouse.dev") {
			return fmt.Errorf("Ready is %w", err)
		}
		return nil
	})
	definitions, err := localkube.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envtest.InstallCRDs(k.Config, envtest.CRDInstallOptions{CRDs: definitions}); err != nil {
		t.Fatal(err)
	}
	b.eventually("ready once the definitions exist", c.Ready)
	b.create(good)
	b.expectGood()

	keys := b.newKeys()
	keys.follow()

	before := b.snapshot()
	server := k.ControlPlane.APIServer
	_ = server.Stop() // it waits for our watches in vain, and is killed
	b.eventually("away", func() error {
		if err := b.List(t.Context(), &v1alpha1.RoleList{}); err == nil {
			return fmt.Errorf("it still answers")
		}
		return nil
	})
	if c.Ready() != nil || b.snapshot() != before {
		t.Error("what was published did not stay")
	}
	if err := keys.trouble(); err != nil {
		t.Errorf("the keys did not stay: %v", err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	b.eventually("back", func() error { return b.List(t.Context(), &v1alpha1.RoleList{}) })
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: late, namespace: acme}
spec: {organizationRef: {name: acme}, type: Device, scopes: ["org:read"]}
`)
	b.expect(kindApplication, "acme", "late", "True")
	b.expectGood()
	rotated, err := keys.first.Rotate(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	keys.put(content(marshalled(t, rotated)))
	keys.using(rotated)
}
