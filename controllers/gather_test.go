package controllers

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// A cluster that was restored counts generations again from where the backup was: what is
// declared next can have the number of what was seen before, and another content.
func TestAGenerationThatComesAgainIsNotTakenForTheOneBefore(t *testing.T) {
	w := newWorld(Options{Installation: "here"})
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	touched := func(model.ObjectID) bool { return true }
	put := func(suspended bool, version string) (news bool) {
		application := &v1alpha1.ApiApplication{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "cli", UID: "1", Generation: 5, ResourceVersion: version},
			Spec:       v1alpha1.ApiApplicationSpec{Suspend: suspended, Scopes: []v1alpha1.ApplicationScope{"org:read"}},
		}
		declaring(w, w.applications, kindApplication, touched).put(application, queue)
		news = queue.Len() > 0
		if news {
			one, _ := queue.Get()
			queue.Done(one)
		}
		return news
	}
	if !put(false, "10") || put(false, "11") {
		t.Fatal("an object is news once, and not for its version")
	}
	if !put(true, "9") || !w.applications[types.NamespacedName{Namespace: "acme", Name: "cli"}].Spec.Suspend {
		t.Error("what was declared after the restore is not seen")
	}
}
