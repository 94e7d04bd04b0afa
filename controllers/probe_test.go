package controllers

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// What is seen of a provider elsewhere stands in its status, and takes nothing from its
// being Ready.
func TestReachableIsWhatWasSeenOfTheProvider(t *testing.T) {
	b := newBench(t, kube)
	var seen atomic.Pointer[compile.Probe]
	seen.Store(&compile.Probe{})
	o := b.options()
	o.Probe = func(string) compile.Probe { return *seen.Load() }
	c, _ := b.start(o)
	b.create(good)
	b.namespace("gatehouse-system")
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: AuthProvider
metadata: {name: okta, namespace: gatehouse-system}
spec:
  type: OIDC
  oidc: {issuer: "https://acme.okta.example", clientID: gatehouse}
`)
	b.expect(kindProvider, "gatehouse-system", "okta", "True")
	yes, no := true, false
	end := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		probe  compile.Probe
		status metav1.ConditionStatus
		reason v1alpha1.Reason
		until  string
	}{
		{compile.Probe{Reachable: &yes, Reason: v1alpha1.ReasonReachable, CertificateNotAfter: end}, "True", v1alpha1.ReasonReachable, "2027-01-31T00:00:00Z"},
		{compile.Probe{Reachable: &no, Reason: "AddressRefused", Message: "address is not public"}, "False", v1alpha1.ReasonUnreachable, ""},
		{compile.Probe{Reachable: &no, Reason: v1alpha1.ReasonInvalidAnswer}, "False", v1alpha1.ReasonInvalidAnswer, ""},
	} {
		seen.Store(&step.probe)
		c.Probed()
		b.eventually("it says "+string(step.reason), func() error {
			u := b.get(kindProvider, "gatehouse-system", "okta")
			got := condition(u, v1alpha1.Reachable)
			until, _ := u.Object["status"].(map[string]any)["certificateNotAfter"].(string)
			if got.Status != step.status || got.Reason != string(step.reason) || until != step.until || condition(u, v1alpha1.Ready).Status != "True" {
				return fmt.Errorf("%+v, certificate until %q", got, until)
			}
			return nil
		})
	}
	if local := condition(b.get(kindProvider, "gatehouse-system", "local"), v1alpha1.Ready); local.Status != "True" {
		t.Errorf("the other provider: %+v", local)
	}
}
