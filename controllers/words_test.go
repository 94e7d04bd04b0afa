package controllers

import (
	"fmt"
	"testing"
	"unsafe"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

func TestWhatNobodyReadsIsNotCached(t *testing.T) {
	trim := newTransform()
	app := func(message string) *v1alpha1.ApiApplication {
		a := &v1alpha1.ApiApplication{ObjectMeta: metav1.ObjectMeta{
			Name: "cli", Labels: map[string]string{"team": "acme"},
			Annotations:   map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}", v1alpha1.SlugsAnnotation + "x": "y"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		}}
		a.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Programmed", Message: message}}
		if got, err := trim(a); err != nil || got != any(a) {
			t.Fatalf("trimmed to %v, %v", got, err)
		}
		return a
	}
	said := []byte("The server serves it.")
	first, second := app(string(said)), app(string(said))
	if first.Annotations != nil || first.ManagedFields != nil || first.Labels["team"] != "acme" {
		t.Errorf("cached: %+v", first.ObjectMeta)
	}
	if got := second.Status.Conditions[0]; got != first.Status.Conditions[0] || got.Message != string(said) || got.Status != metav1.ConditionTrue {
		t.Errorf("the condition is %+v", got)
	}
	if unsafe.StringData(first.Status.Conditions[0].Message) != unsafe.StringData(second.Status.Conditions[0].Message) {
		t.Error("one message is kept twice")
	}

	n := namespaceMetadata()
	n.Annotations = map[string]string{v1alpha1.SlugsAnnotation: "acme,acme-eu", "owner": "somebody"}
	if _, err := trim(n); err != nil || len(n.Annotations) != 1 || n.Annotations[v1alpha1.SlugsAnnotation] != "acme,acme-eu" {
		t.Errorf("of a Namespace these annotations are kept: %v, %v", n.Annotations, err)
	}
	gone := toolscache.DeletedFinalStateUnknown{Key: "acme/cli"}
	if got, err := trim(gone); err != nil || got != any(gone) {
		t.Errorf("a tombstone became %v, %v", got, err)
	}
}

// A tenant may make as many different messages as it has objects.
func TestWordsThatNobodySharesCostABoundedMemory(t *testing.T) {
	w := &words{once: map[string]string{}}
	for i := range 2 * wordsMost {
		own := fmt.Sprint("word ", i)
		long := fmt.Sprintf("%0*d", wordLengthMost+1, i)
		if w.share(&own, &long); own != fmt.Sprint("word ", i) || len(long) != wordLengthMost+1 {
			t.Fatalf("%q and %q were changed", own, long)
		}
	}
	if len(w.once) != wordsMost {
		t.Errorf("%d words are kept", len(w.once))
	}
}
