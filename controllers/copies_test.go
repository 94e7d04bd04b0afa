package controllers

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

const (
	firstOfSource  = "made-elsewhere-and-long-enough-to-be-1"
	secondOfSource = "made-elsewhere-and-long-enough-to-be-2"
)

var copied = strings.Replace(generated, `    rotation: {overlap: 1h, generation: 1}
`, `    source: FromSecret
    fromSecret: {name: source, key: password}
`, 1)

// source makes the Secret that somebody else keeps, with a line end after the client secret.
func (b *bench) source(secret string) *corev1.Secret {
	b.t.Helper()
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "source", Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretInput}},
		StringData: map[string]string{"password": secret + "\n"},
	}
	if err := b.Create(b.t.Context(), s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// holds waits until the output holds the client secret.
func (b *bench) holds(secret string) *corev1.Secret {
	b.t.Helper()
	return b.becomes("ci-credentials", "a copy", func(s *corev1.Secret) bool { return string(s.Data["client-secret"]) == secret })
}

// goes waits until there is no output.
func (b *bench) goes(why string) {
	b.t.Helper()
	b.eventually("no copy: "+why, func() error {
		err := b.Get(b.t.Context(), client.ObjectKey{Namespace: "acme", Name: "ci-credentials"}, &corev1.Secret{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

func TestACopyFollowsItsSourceAndGoesWithIt(t *testing.T) {
	b := newBench(t, kube)
	now, _ := b.timed()
	b.create(copied)
	b.expect(kindApplication, "acme", "ci", "SecretNotFound")
	b.goes("there never was a source")
	source := b.source(firstOfSource)
	b.expect(kindApplication, "acme", "ci", "True")
	s := b.holds(firstOfSource)
	if s.Labels["team"] != "payments" || s.Annotations["example.com/reload"] != "true" || s.Annotations[v1alpha1.CredentialsAnnotation] != "" {
		t.Errorf("labels %v, annotations %v", s.Labels, s.Annotations)
	}
	if got := string(s.Data["ID"]) + " " + string(s.Data["issuer"]) + " " + string(s.Data["token-endpoint"]); len(s.Data) != 4 || got != "acme.acme.ci https://auth.example.com https://auth.example.com/oauth/token/" {
		t.Errorf("%d keys: %s", len(s.Data), got)
	}
	if owner := metav1.GetControllerOf(s); owner == nil || owner.Name != "ci" || !b.proves(s, now.Now()) {
		t.Errorf("it belongs to %v, and proves %v", owner, b.proves(s, now.Now()))
	}

	source.StringData = map[string]string{"password": secondOfSource}
	if err := b.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if next := b.holds(secondOfSource); !b.proves(next, now.Now()) || b.proves(s, now.Now()) { // no clock moved: at once
		t.Errorf("the copy proves %v, the one before %v", b.proves(next, now.Now()), b.proves(s, now.Now()))
	}

	delete(source.Labels, v1alpha1.SecretLabel)
	if err := b.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	b.expect(kindApplication, "acme", "ci", "SecretNotFound")
	b.goes("the source is ours no more")
	if err := b.Delete(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	b.source(firstOfSource)
	b.expect(kindApplication, "acme", "ci", "True")
	b.holds(firstOfSource)
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) { delete(spec["credentials"].(map[string]any), "output") })
	b.goes("it is declared no more")
	b.expect(kindApplication, "acme", "ci", "True")
}

func TestACopyThatSomebodyChangedOrDeletedIsMadeAgain(t *testing.T) {
	b := newBench(t, kube)
	now, asked := b.timed()
	b.create(generated)
	b.expect(kindApplication, "acme", "ci", "True")
	made := b.secret("ci-credentials")
	b.source(firstOfSource)
	b.change(kindApplication, "acme", "ci", func(spec map[string]any) {
		spec["credentials"] = map[string]any{"source": "FromSecret", "fromSecret": map[string]any{"name": "source", "key": "password"}, "output": map[string]any{}}
	})
	s := b.holds(firstOfSource)
	if s.UID != made.UID || b.proves(made, now.Now()) || s.Annotations[v1alpha1.CredentialsAnnotation] != "" {
		t.Errorf("the secret that was made before proves %v, annotations %v", b.proves(made, now.Now()), s.Annotations)
	}
	s.Data = map[string][]byte{"client-secret": []byte("of-my-own-which-is-long-enough-to-be-one")}
	if err := b.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	healed := b.holds(firstOfSource)
	if b.proves(s, now.Now()) || len(healed.Data) != 4 {
		t.Errorf("what was written by hand proves %v; %d keys", b.proves(s, now.Now()), len(healed.Data))
	}
	if err := b.Delete(t.Context(), healed); err != nil {
		t.Fatal(err)
	}
	again := b.holds(firstOfSource)
	if again.UID == healed.UID || !b.proves(again, now.Now()) {
		t.Error("it was not made again")
	}
	for _, request := range asked.writes() {
		if strings.HasPrefix(request, "GET") || strings.HasSuffix(request, "/source ") {
			t.Errorf("asked %s", request)
		}
	}
}

// What proves the application is not in its output: somebody who takes the name of that
// Secret must not end the application.
func TestAnApplicationIsServedThoughItsCopyHasNoPlace(t *testing.T) {
	b := newBench(t, kube)
	b.serve()
	b.namespace("acme")
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "ci-credentials"}, StringData: map[string]string{"client-secret": "precious"}}
	if err := b.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	b.source(firstOfSource)
	b.create(copied)
	u := b.expect(kindApplication, "acme", "ci", "SecretNotOwned")
	if c := condition(u, v1alpha1.ResolvedRefs); c.Reason != "SecretNotOwned" || !strings.Contains(c.Message, "ci-credentials") {
		t.Errorf("ResolvedRefs is %+v", c)
	}
	if _, app := b.snapshot().Application("acme.acme.ci"); app == nil {
		t.Error("it is not served")
	}
	if s := b.secret("ci-credentials"); string(s.Data["client-secret"]) != "precious" || len(s.OwnerReferences) != 0 {
		t.Error("it was changed")
	}
	if err := b.Delete(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	b.holds(firstOfSource)
	b.expect(kindApplication, "acme", "ci", "True")
}

func TestAnApplicationWithoutASecretHasAnOutputToo(t *testing.T) {
	b := newBench(t, kube)
	b.timed()
	b.create(strings.NewReplacer("type: Machine", "type: Device", "    rotation: {overlap: 1h, generation: 1}\n", "").Replace(generated))
	u := b.expect(kindApplication, "acme", "ci", "True")
	s := b.becomes("ci-credentials", "there", func(*corev1.Secret) bool { return true })
	if len(s.Data) != 3 || string(s.Data["ID"]) != "acme.acme.ci" || s.Data["client-secret"] != nil {
		t.Errorf("it has %d keys", len(s.Data))
	}
	b.eventually("in status", func() error {
		u = b.get(kindApplication, "acme", "ci")
		if name, _, _ := unstructured.NestedString(u.Object, "status", "credentialsSecretName"); name != "ci-credentials" {
			return fmt.Errorf("it names %q", name)
		}
		return nil
	})
	if _, listed, _ := unstructured.NestedSlice(u.Object, "status", "credentials"); listed {
		t.Error("status lists client secrets")
	}
}
