package incluster

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile/compiletest"
	"github.com/gatehouse-dev/gatehouse/test/localkube"
)

// aThousand objects are those of the four kinds: with the AuthProvider, and with what Declare
// and this test add.
var aThousand = compiletest.Size{Organizations: 20, Applications: 776, Roles: 200}

func TestASettledWorldOfAThousandObjectsWritesNothingForAMinute(t *testing.T) {
	t.Parallel()
	c := start(t, aThousand)
	// One whose secret is generated, and one in which something is wrong.
	for name, scope := range map[string]v1alpha1.ApplicationScope{"generated": "org:read", "broken": "no:such"} {
		a := &v1alpha1.ApiApplication{
			ObjectMeta: metav1.ObjectMeta{Namespace: HeldNamespace, Name: name},
			Spec: v1alpha1.ApiApplicationSpec{
				OrganizationRef: v1alpha1.ObjectReference{Name: HeldNamespace}, Type: v1alpha1.TypeMachine, Scopes: []v1alpha1.ApplicationScope{scope},
			},
		}
		if err := c.Admin.Create(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	r := c.run(t, "one")
	c.settle(t, r)
	before := c.versions(t)
	if len(before) < 1000 {
		t.Errorf("only %d objects are declared", len(before))
	}
	asked, err := c.Asked(r)
	if err != nil {
		t.Fatal(err)
	}
	if wrote := len(writes(asked)); wrote < 1000 {
		t.Errorf("it wrote %d times until it had settled: what is counted here is not what it does", wrote)
	}

	settled := time.Now()
	var minute []localkube.Event
	eventually(t, "a minute later", func() error {
		if time.Since(settled) < time.Minute {
			return fmt.Errorf("%s have passed", time.Since(settled))
		}
		events, err := c.Audit.Events()
		minute = after(events, settled)
		return err
	})
	renewed, leases := 0, map[string]bool{}
	for _, e := range minute {
		switch {
		case e.User == ServiceAccount && e.Verb == "update" && e.Resource == "leases":
			renewed++
			leases[e.Namespace+"/"+e.Name] = true
		case e.Writes() && (e.User == ServiceAccount || e.Group == v1alpha1.GroupName):
			t.Errorf("%s: %s %s %s/%s (%d)", e.User, e.Verb, e.Resource, e.Namespace, e.Name, e.Code)
		case e.User == ServiceAccount && e.Code == 403:
			t.Errorf("forbidden: %s %s", e.Verb, e.URI)
		}
	}
	if renewed < 20 || renewed > 40 || len(leases) != 1 {
		t.Errorf("the Lease was renewed %d times in a minute, of %v", renewed, leases)
	}
	for name, version := range c.versions(t) {
		if before[name] != version {
			t.Errorf("%s has changed", name)
		}
	}
	t.Logf("requests of a settled minute:\n%s", byUserAndVerb(minute))
	c.startsWithoutAWrite(t, r)
}

// startsWithoutAWrite ends a replica and starts it again: there is nothing to say anew.
func (c *Cluster) startsWithoutAWrite(t *testing.T, r *Replica) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	restarted := time.Now()
	r = c.run(t, r.Name)
	c.settle(t, r)
	asked, err := c.Asked(r)
	if err != nil {
		t.Fatal(err)
	}
	asked = after(asked, restarted)
	if wrote := writes(asked); len(wrote) > 0 {
		t.Errorf("a start on a settled world wrote:\n%s", byUserAndVerb(wrote))
	}
	t.Logf("requests of a start:\n%s", byUserAndVerb(asked))
}
