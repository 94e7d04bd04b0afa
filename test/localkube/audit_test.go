package localkube

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

func TestTheAuditLogTellsWhoAskedForWhat(t *testing.T) {
	audit, err := NewAudit(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kube, err := Start("", nil, audit.Option())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := kubernetes.NewForConfigOrDie(as(t, kube, "ann", "system:masters"))
	nobody := kubernetes.NewForConfigOrDie(as(t, kube, "nobody"))
	start := time.Now().Truncate(time.Microsecond)

	ctx, secrets := t.Context(), admin.CoreV1().Secrets("default")
	if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "one"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.List(ctx, metav1.ListOptions{LabelSelector: "a in (b,c)"}); err != nil {
		t.Fatal(err)
	}
	if err := nobody.CoreV1().Secrets("default").Delete(ctx, "one", metav1.DeleteOptions{}); err == nil {
		t.Fatal("nobody may delete Secrets")
	}
	watching, err := secrets.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.Events()
	if err != nil {
		t.Fatal(err)
	}
	watching.Stop()
	var asked []string
	for _, e := range got {
		if e.User != "ann" && e.User != "nobody" {
			continue
		}
		if e.Time.Before(start) || e.Time.After(time.Now()) {
			t.Errorf("%s %s at %v", e.Verb, e.Resource, e.Time)
		}
		asked = append(asked, fmt.Sprintf("%s %s %s %s/%s [%s] %d %s %t", e.User, e.Verb, e.Resource, e.Namespace, e.Name, e.LabelSelector(), e.Code, e.Stage, e.Writes()))
	}
	want := []string{
		"ann create secrets default/one [] 201 ResponseComplete true",
		"ann list secrets default/ [a in (b,c)] 200 ResponseComplete false",
		"nobody delete secrets default/one [] 403 ResponseComplete true",
		"ann watch secrets default/ [] 200 ResponseStarted false",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("logged\n%q\nwant\n%q", asked, want)
	}
}

func as(t *testing.T, kube *Cluster, name string, groups ...string) *rest.Config {
	t.Helper()
	user, err := kube.AddUser(envtest.User{Name: name, Groups: groups}, &rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return user.Config()
}
