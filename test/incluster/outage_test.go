package incluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
)

// small is a world that is declared and judged in a moment.
var small = compiletest.Size{Organizations: 5, Applications: 100, Roles: 25}

// The API server is away for twelve seconds, longer than a leader may go on without it, or
// for as long as GATEHOUSE_OUTAGE says: `GATEHOUSE_OUTAGE=5m go test ./test/incluster -run Away`.
func TestTheAPIServerGoesAwayAndNobodyNotices(t *testing.T) {
	t.Parallel()
	away := length(t, "GATEHOUSE_OUTAGE", 12*time.Second)
	c := start(t, small)
	r := c.run(t, "one")
	c.settle(t, r)
	c.grant(t, "org:read")
	eventually(t, "served", func() error { return r.serves("org:read") })
	c.settle(t, r)
	before := c.versions(t)

	stop := r.asking()
	_ = c.ControlPlane.APIServer.Stop() // it waits for watches in vain, and is killed
	gone := time.Now()
	eventually(t, "away", func() error {
		if _, err := c.heldRole(t); err == nil {
			return fmt.Errorf("it answers")
		}
		return nil
	})
	for time.Since(gone) < away {
		if err := r.serves("org:read"); err != nil {
			t.Fatalf("after %s: %v", time.Since(gone), err)
		}
		if err := r.ready(); err != nil {
			t.Fatalf("after %s: %v", time.Since(gone), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	back := time.Now()
	if err := c.ControlPlane.APIServer.Start(); err != nil {
		t.Fatal(err)
	}
	c.grant(t, "org:read", "project:read")
	changed := time.Now()
	eventually(t, "served what changed", func() error { return r.serves("org:read project:read") })
	served := time.Since(changed)
	if served > 10*time.Second {
		t.Errorf("what changed after the return was served %s later", served)
	}
	c.said(t)
	said := time.Since(changed)
	c.settle(t, r)
	asked, failed := stop()
	if failed != nil || asked < 100 {
		t.Errorf("of %d requests one failed: %v", asked, failed)
	}
	t.Logf("away for %s, %d requests served; the first change after it was served after %s and said after %s", back.Sub(gone), asked, served, said)
	c.nothingButTheChange(t, r, before, back)
}

// nothingButTheChange: nothing is lost, nothing flapped, and the return was no storm.
func (c *Cluster) nothingButTheChange(t *testing.T, r *Replica, before map[string]string, back time.Time) {
	t.Helper()
	changed := "Role " + HeldNamespace + "/" + HeldRole
	now := c.versions(t)
	for name, version := range before {
		if now[name] != version && name != changed {
			t.Errorf("%s was %s and is %s", name, version, now[name])
		}
	}
	if now[changed] == before[changed] || len(now) != len(before) {
		t.Errorf("%d objects were there, %d are", len(before), len(now))
	}
	asked, err := c.Asked(r)
	if err != nil {
		t.Fatal(err)
	}
	since := after(asked, back)
	for _, e := range writes(since) {
		if e.Resource != "roles" || e.Subresource != "status" || e.Name != HeldRole {
			t.Errorf("%s %s/%s %s/%s", e.Verb, e.Resource, e.Subresource, e.Namespace, e.Name)
		}
	}
	if got := len(writes(since)); got != 1 {
		t.Errorf("one change was written %d times", got)
	}
	lists := map[string]int{}
	for _, e := range since {
		if e.Verb == "list" || e.Verb == "watch" && e.Group == v1alpha1.GroupName {
			lists[e.Resource]++
		}
	}
	for resource, n := range lists {
		if n > 20 {
			t.Errorf("%s were listed or watched %d times", resource, n)
		}
	}
	t.Logf("its requests since the return:\n%s", byUserAndVerb(since))
}
