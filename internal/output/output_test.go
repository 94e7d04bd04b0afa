package output_test

import (
	"crypto/rand"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/output"
)

var (
	noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	key  = model.NewSensitive("digest key")
)

func wanted() *compile.Report {
	return &compile.Report{
		Object: model.ObjectID{Kind: "ApiApplication", Namespace: "acme", Name: "ci", UID: "1"},
		Output: &compile.Wanted{Name: "login", Made: true, SecretKey: "secret", Data: map[string]string{"id": "acme.ci"}, Plan: credential.Plan{Generation: 1}},
	}
}

// written is a Secret as it is made, at version 1.
func written(t *testing.T) *corev1.Secret {
	t.Helper()
	step, err := output.NewKeeper(rand.Reader, key).Next(wanted(), nil, noon)
	if err != nil || step.Change != output.Created {
		t.Fatal(step.Change, err)
	}
	s := step.Secret
	s.UID, s.ResourceVersion = "s", "1"
	return s
}

func TestOnlyWhatWasMadeForAnApplicationIsOwned(t *testing.T) {
	if o := output.Read(written(t), key); o.Owner != "1" || o.Version != "s/1" || len(o.Values) != 2 {
		t.Fatalf("%+v", o)
	}
	for name, spoil := range map[string]func(*corev1.Secret){
		"another type":    func(s *corev1.Secret) { s.Type = corev1.SecretTypeServiceAccountToken },
		"no label":        func(s *corev1.Secret) { s.Labels = nil },
		"another label":   func(s *corev1.Secret) { s.Labels[v1alpha1.SecretLabel] = v1alpha1.SecretInput },
		"no owner":        func(s *corev1.Secret) { s.OwnerReferences = nil },
		"another kind":    func(s *corev1.Secret) { s.OwnerReferences[0].Kind = "Organization" },
		"another group":   func(s *corev1.Secret) { s.OwnerReferences[0].APIVersion = "apps/v1" },
		"another version": func(s *corev1.Secret) { s.OwnerReferences[0].APIVersion = "auth.gatehouse.dev/v9" },
	} {
		s := written(t)
		spoil(s)
		if o := output.Read(s, key); o.Owner != "" {
			t.Errorf("%s: it belongs to %q", name, o.Owner)
		}
	}
}

func TestNothingIsWrittenUponAnotherVersionThanWasJudged(t *testing.T) {
	s, r := written(t), wanted()
	for name, judged := range map[string]string{"none": "", "one before": "s/0", "another Secret": "other/1"} {
		r.Output.Version = judged
		if step, err := output.NewKeeper(rand.Reader, key).Next(r, s, noon); err != nil || step.Secret != nil {
			t.Errorf("%s: %s %v", name, step.Change, err)
		}
	}
	r.Output.Version = "s/1"
	if step, err := output.NewKeeper(rand.Reader, key).Next(r, nil, noon); err != nil || step.Secret != nil {
		t.Errorf("gone since: %s %v", step.Change, err)
	}
	r.Output.Foreign = true
	if step, err := output.NewKeeper(rand.Reader, key).Next(r, s, noon); err != nil || step.Secret != nil {
		t.Errorf("of somebody else: %s %v", step.Change, err)
	}
}

func TestStaleIsOnlyWhatAnApplicationWantsNoMore(t *testing.T) {
	there := []compile.Output{
		{Namespace: "acme", Name: "login", Owner: "1"},
		{Namespace: "acme", Name: "before", Owner: "1"},
		{Namespace: "acme", Name: "theirs", Owner: "2"},
		{Namespace: "acme", Name: "nobodys"},
		{Namespace: "elsewhere", Name: "before", Owner: "1"},
	}
	r := wanted()
	if stale := output.Stale(r, there); len(stale) != 1 || stale[0].Name != "before" {
		t.Errorf("%v", stale)
	}
	r.Output = nil // Compile says nothing about it
	if stale := output.Stale(r, there); len(stale) != 0 {
		t.Errorf("%v", stale)
	}
}

func TestWhatOthersAddedStaysAndWhatWasDeclaredBeforeGoes(t *testing.T) {
	r := wanted()
	r.Output.Labels = map[string]string{"team": "payments"}
	step, err := output.NewKeeper(rand.Reader, key).Next(r, nil, noon)
	if err != nil {
		t.Fatal(err)
	}
	s := step.Secret
	s.UID, s.ResourceVersion = "s", "1"
	s.Labels["from"], s.Annotations = "others", map[string]string{"from": "others", v1alpha1.CredentialsAnnotation: s.Annotations[v1alpha1.CredentialsAnnotation], v1alpha1.OutputAnnotation: s.Annotations[v1alpha1.OutputAnnotation]}
	s.OwnerReferences = append(s.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x"})
	list, err := credential.Parse(s.Annotations[v1alpha1.CredentialsAnnotation])
	if err != nil {
		t.Fatal(err)
	}
	r.Output.Version, r.Output.Labels = "s/1", nil
	r.Output.State = credential.State{Credentials: list, Held: list[0].ID}
	step, err = output.NewKeeper(rand.Reader, key).Next(r, s, noon)
	if err != nil || step.Change != output.Restored {
		t.Fatal(step.Change, err)
	}
	now := step.Secret
	if _, kept := now.Labels["team"]; kept || now.Labels["from"] != "others" || now.Annotations["from"] != "others" || len(now.OwnerReferences) != 2 {
		t.Errorf("labels %v, annotations %v, owners %v", now.Labels, now.Annotations, now.OwnerReferences)
	}
	if string(now.Data["secret"]) != string(s.Data["secret"]) || now.ResourceVersion != "1" {
		t.Error("the client secret changed, or the version")
	}
}

func TestAClientSecretOfAnotherSourceIsCopiedAtOnce(t *testing.T) {
	keeper := output.NewKeeper(rand.Reader, key)
	r := wanted()
	r.Output.Made, r.Output.Copied = false, model.NewSensitive("from elsewhere")
	next := func(there *corev1.Secret) output.Step {
		t.Helper()
		step, err := keeper.Next(r, there, noon)
		if err != nil {
			t.Fatal(err)
		}
		return step
	}
	first := next(nil)
	if first.Change != output.Copied || string(first.Secret.Data["secret"]) != "from elsewhere" || string(first.Secret.Data["id"]) != "acme.ci" {
		t.Fatalf("%s, with %d keys", first.Change, len(first.Secret.Data))
	}
	if list, exists := first.Secret.Annotations[v1alpha1.CredentialsAnnotation]; exists {
		t.Errorf("it lists secrets that are not ours: %s", list)
	}
	there := first.Secret
	there.UID, there.ResourceVersion = "s", "1"
	r.Output.Version = "s/1"
	if step := next(there); step.Secret != nil || !step.At.IsZero() {
		t.Errorf("it is written again: %s at %v", step.Change, step.At)
	}
	r.Output.Copied = model.NewSensitive("changed there")
	if step := next(there); string(step.Secret.Data["secret"]) != "changed there" || step.Secret.ResourceVersion != "1" {
		t.Errorf("%s does not follow", step.Change)
	}
	r.Output.Copied, r.Output.SecretKey = model.Sensitive{}, ""
	if step := next(there); len(step.Secret.Data) != 1 || string(step.Secret.Data["id"]) != "acme.ci" {
		t.Errorf("without a client secret it has %d keys", len(step.Secret.Data))
	}
}

// One that Gatehouse made becomes a copy: what was announced is nobody's, and the list of its
// digests goes, or it would prove them still if the source were changed back.
func TestAGeneratedSecretThatBecomesACopyLeavesNothingBehind(t *testing.T) {
	keeper, r, s := output.NewKeeper(rand.Reader, key), wanted(), written(t)
	list, err := credential.Parse(s.Annotations[v1alpha1.CredentialsAnnotation])
	if err != nil {
		t.Fatal(err)
	}
	r.Output.Version, r.Output.State, r.Output.Plan.Generation = "s/1", credential.State{Credentials: list, Held: list[0].ID}, 2
	if step, err := keeper.Next(r, s, noon); err != nil || step.Change != output.Announced {
		t.Fatal(step.Change, err)
	}
	r.Output.Made, r.Output.State, r.Output.Copied = false, credential.State{}, model.NewSensitive("from elsewhere")
	step, err := keeper.Next(r, s, noon)
	if err != nil || step.Change != output.Copied || string(step.Secret.Data["secret"]) != "from elsewhere" {
		t.Fatal(step.Change, err)
	}
	if list, exists := step.Secret.Annotations[v1alpha1.CredentialsAnnotation]; exists {
		t.Errorf("it still lists %s", list)
	}
}

// judge has the report say what Compile would of the Secret, which holds the first that it
// lists.
func judge(t *testing.T, r *compile.Report, there *corev1.Secret) {
	t.Helper()
	list, err := credential.Parse(there.Annotations[v1alpha1.CredentialsAnnotation])
	if err != nil {
		t.Fatal(err)
	}
	r.Output.Version, r.Output.State = output.Version(there), credential.State{Credentials: list, Held: list[0].ID}
}

// A write that came to pass may be asked for once more before it is seen: by whom a status
// wakes, or after an answer that was lost. The secret that was announced is still the one
// that takes over, as soon as it would have.
func TestAnAnnouncementThatIsNotSeenYetIsNotAnnouncedAnew(t *testing.T) {
	keeper, r, there := output.NewKeeper(rand.Reader, key), wanted(), written(t)
	next := func(now time.Time) output.Step {
		t.Helper()
		judge(t, r, there)
		step, err := keeper.Next(r, there, now)
		if err != nil {
			t.Fatal(err)
		}
		return step
	}
	r.Output.Plan.Generation, r.Output.Plan.Overlap = 2, time.Hour
	announced, again := next(noon), next(noon.Add(time.Second))
	if announced.Change != output.Announced || again.Change != output.Announced {
		t.Fatal(announced.Change, again.Change)
	}
	there = announced.Secret // the second was refused: its version was gone
	there.ResourceVersion = "2"
	if step := next(noon.Add(credential.Lead - time.Second)); step.Secret != nil || !step.At.Equal(noon.Add(credential.Lead)) {
		t.Fatalf("announced: %q, and again at %v", step.Change, step.At)
	}
	if step := next(noon.Add(credential.Lead)); step.Change != output.Rotated {
		t.Fatalf("after the lead: %q", step.Change)
	}
}

// Nobody can have learnt of an announcement whose write failed: the lead begins when it is
// written.
func TestTheLeadBeginsWithTheAnnouncementThatWasWritten(t *testing.T) {
	keeper, r, there := output.NewKeeper(rand.Reader, key), wanted(), written(t)
	judge(t, r, there)
	r.Output.Plan.Generation = 2
	if _, err := keeper.Next(r, there, noon); err != nil { // the API server is out
		t.Fatal(err)
	}
	later := noon.Add(time.Hour)
	step, err := keeper.Next(r, there, later)
	if err != nil {
		t.Fatal(err)
	}
	list, err := credential.Parse(step.Secret.Annotations[v1alpha1.CredentialsAnnotation])
	if err != nil || len(list) != 2 || !list[1].NotBefore.Equal(later) {
		t.Errorf("%v %v", list, err)
	}
}
