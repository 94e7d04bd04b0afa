package localkube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func TestAManagedClusterFinishesDeletions(t *testing.T) {
	kube, err := Start("", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	m, err := kube.Manage(t.TempDir(), Deleters...)
	if err != nil {
		t.Fatal(err)
	}
	admin, ctx := kubernetes.NewForConfigOrDie(kube.Config), t.Context()
	if _, err := admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "short"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := admin.CoreV1().Namespaces().Delete(ctx, "short", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		_, err := admin.CoreV1().Namespaces().Get(ctx, "short", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the namespace stays: %v\n%s", err, m.Log())
		}
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if err := m.Stop(); err == nil {
		t.Error("that it had ended is no error")
	}
}
