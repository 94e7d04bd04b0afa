package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// kstatus judges an object by the documented generic rules of kstatus, which Flux, Argo CD
// and kpt follow for kinds that they do not know.
func kstatus(u *unstructured.Unstructured) string {
	switch {
	case u.GetDeletionTimestamp() != nil:
		return "Terminating"
	case observed(u) != u.GetGeneration():
		return "InProgress"
	case condition(u, v1alpha1.Reconciling).Status == metav1.ConditionTrue:
		return "InProgress"
	case condition(u, v1alpha1.Stalled).Status == metav1.ConditionTrue:
		return "Failed"
	case condition(u, v1alpha1.Ready).Status != metav1.ConditionTrue:
		return "InProgress"
	}
	return "Current"
}

func TestDeploymentToolsSeeInProgressThenTheVerdict(t *testing.T) {
	b := newBench(t, kube)
	b.create(good)
	b.create(`
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: stalled, namespace: acme}
spec: {organizationRef: {name: acme}, type: NoSuchType, scopes: ["org:read"]}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: waiting, namespace: acme}
spec: {organizationRef: {name: not-yet}, type: Device, scopes: ["org:read"]}
`)
	for _, o := range append(theGood, [3]string{kindApplication, "acme", "stalled"}) {
		u := b.get(o[0], o[1], o[2])
		if got := kstatus(u); got != "InProgress" || observed(u) != -1 {
			t.Errorf("before the first verdict %v is %s, observed generation %d", o, got, observed(u))
		}
	}
	b.serve()
	b.expectGood()
	for _, o := range theGood {
		if got := kstatus(b.get(o[0], o[1], o[2])); got != "Current" {
			t.Errorf("%v is %s", o, got)
		}
	}
	if got := kstatus(b.expect(kindApplication, "acme", "stalled", "UnsupportedValue")); got != "Failed" {
		t.Errorf("an object that only an edit cures is %s", got)
	}
	if got := kstatus(b.expect(kindApplication, "acme", "waiting", "NotAdmitted")); got != "InProgress" {
		t.Errorf("an object that another one cures is %s", got)
	}
}
