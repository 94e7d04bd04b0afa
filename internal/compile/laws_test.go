package compile_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func TestEveryObjectGetsOneReportWithSoundConditions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		result := compile.Compile(in)
		if got, want := len(result.Reports), declaredObjects(in); got != want {
			t.Errorf("%d reports for %d objects", got, want)
		}
		checkReports(t, result)
	})
}

func TestTheOrderOfTheInputMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		shuffled := in
		shuffled.Organizations = rapid.Permutation(in.Organizations).Draw(t, "organizations")
		shuffled.Applications = rapid.Permutation(in.Applications).Draw(t, "applications")
		shuffled.Roles = rapid.Permutation(in.Roles).Draw(t, "roles")
		shuffled.Providers = rapid.Permutation(in.Providers).Draw(t, "providers")
		shuffled.Outputs = rapid.Permutation(in.Outputs).Draw(t, "outputs")
		shuffled.Secrets = rapid.Permutation(in.Secrets).Draw(t, "secrets")
		shuffled.Namespaces = rapid.Permutation(in.Namespaces).Draw(t, "namespaces")
		sameVerdict(t, compile.Compile(in), compile.Compile(shuffled))
	})
}

func TestACompilerWithAPastSaysWhatAFreshOneSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c compile.Compiler
		in := drawInput(t)
		before := c.Compile(in)
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			in = edit(t, in)
			after := c.Compile(in)
			sameVerdict(t, compile.Compile(in), after)
			unchangedReportsStay(t, before, after)
			if before.Snapshot.Digest == after.Snapshot.Digest && !slices.Equal(descriptions(before.Snapshot), descriptions(after.Snapshot)) {
				t.Errorf("one digest for two configurations")
			}
			before = after
		}
	})
}

func TestTheInputIsNotChanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		before := deepCopy(in)
		compile.Compile(in)
		if !reflect.DeepEqual(before, in) {
			t.Errorf("Compile changed its Input:\n%s", cmp.Diff(before, in))
		}
	})
}

func TestNothingPrintsASecret(t *testing.T) {
	in := goodWorld()
	var c compile.Compiler
	result := c.Compile(in)
	var printed bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&printed, nil))
	for _, v := range []any{in, &in, in.Secrets, result, &result, result.Snapshot, *result.Snapshot, result.Reports, &c, in.Secrets[0].Data} {
		fmt.Fprintf(&printed, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		if text, err := json.Marshal(v); err == nil {
			printed.Write(text)
		}
		log.Info("printed", "value", v)
	}
	for o := range result.Snapshot.Organizations() {
		fmt.Fprintf(&printed, "%+v %#v %s\n", o, o, o.Describe())
	}
	for _, form := range printedForms(knownSecret) {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed %q", form)
		}
	}
}

// printedForms are the ways in which package fmt would write a secret.
func printedForms(secret string) []string {
	raw := []byte(secret)
	hexadecimal := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}")
	return []string{secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%v", raw), hexadecimal}
}

// A mistake is put into one field of a world in which all is well: nobody may do more
// than before. What only one can have (a slug, a client ID, the place of the Local
// provider) goes to the next in line by rule, so here nobody waits in line.
func TestAMistakeOnlySubtracts(t *testing.T) {
	before := accessOf(compile.Compile(goodWorld()).Snapshot)
	if len(before) < 20 {
		t.Fatalf("the good world serves too little: %v", before)
	}
	for name, spoil := range mistakes {
		t.Run(name, func(t *testing.T) {
			in := goodWorld()
			spoil(&in)
			result := compile.Compile(in)
			after := accessOf(result.Snapshot)
			for who, what := range after {
				if !before[who] {
					t.Errorf("%s gained %v", who, what)
				}
			}
			if len(after) == 0 && name != "no namespace is known" {
				t.Error("one mistake stopped everybody")
			}
			if !slices.ContainsFunc(result.Reports, func(r *compile.Report) bool { return len(r.Findings) > 0 }) {
				t.Error("nobody was told")
			}
		})
	}
}

func checkReports(t *rapid.T, result compile.Result) {
	if !slices.IsSortedFunc(result.Reports, func(a, b *compile.Report) int {
		return slices.Compare([]string{a.Object.Kind, a.Object.Namespace, a.Object.Name, a.Object.UID},
			[]string{b.Object.Kind, b.Object.Namespace, b.Object.Name, b.Object.UID})
	}) {
		t.Errorf("reports are not in order")
	}
	for _, r := range result.Reports {
		if !slices.Contains(result.Snapshot.Objects, r.Object) {
			t.Errorf("%v is not among the objects of the snapshot", r.Object)
		}
		conditions := r.Conditions(compile.Programmed{Reason: v1alpha1.ReasonProgrammed}, noon)
		ready := conditions[3]
		if (len(r.Findings) == 0 && r.ExpiresAt.IsZero()) != (ready.Status == metav1.ConditionTrue) && r.ExpiresAt.IsZero() {
			t.Errorf("%v: %d findings and Ready is %s", r.Object, len(r.Findings), ready.Status)
		}
		for _, c := range conditions {
			if c.Reason == "" || c.Message == "" || len(c.Message) > 32768 || !c.LastTransitionTime.IsZero() {
				t.Errorf("%v: condition %+v", r.Object, c)
			}
		}
	}
}

func declaredObjects(in compile.Input) int {
	objects := map[any]bool{}
	for _, o := range in.Organizations {
		objects[o] = o != nil
	}
	for _, o := range in.Applications {
		objects[o] = o != nil
	}
	for _, o := range in.Roles {
		objects[o] = o != nil
	}
	for _, o := range in.Providers {
		objects[o] = o != nil
	}
	n := 0
	for _, declared := range objects {
		if declared {
			n++
		}
	}
	return n
}

func sameVerdict(t *rapid.T, a, b compile.Result) {
	if a.Snapshot.Digest != b.Snapshot.Digest {
		t.Errorf("digests differ")
	}
	if diff := cmp.Diff(descriptions(a.Snapshot), descriptions(b.Snapshot)); diff != "" {
		t.Errorf("snapshots differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Snapshot.Objects, b.Snapshot.Objects, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("objects differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Snapshot.Adopted, b.Snapshot.Adopted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("adoptions differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Snapshot.Providers, b.Snapshot.Providers, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("providers differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Reports, b.Reports, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("reports differ:\n%s", diff)
	}
}

func unchangedReportsStay(t *rapid.T, before, after compile.Result) {
	for _, old := range before.Reports {
		if old.Object.UID == "" {
			continue // no cluster has it, and nobody could write its status
		}
		alike := 0
		for _, r := range before.Reports {
			if r.Object == old.Object {
				alike++
			}
		}
		i := slices.IndexFunc(after.Reports, func(r *compile.Report) bool { return reflect.DeepEqual(r, old) })
		if i >= 0 && alike == 1 && after.Reports[i] != old && !slices.Contains(after.Reports, old) {
			t.Errorf("the report on %v did not change, yet is another one", old.Object)
		}
	}
}

// While the store fails, what is served is in both snapshots: nobody may do more than by
// the old one, nor more than by the new one.
func TestOnlyWhatIsInBothSnapshotsIsLeft(t *testing.T) {
	left := 0
	t.Run("law", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			in := goodWorld()
			if rapid.Bool().Draw(t, "any world") {
				in = drawInput(t)
			}
			old := compile.Compile(in).Snapshot
			for range rapid.IntRange(1, 4).Draw(t, "edits") {
				in = edit(t, in)
			}
			next := compile.Compile(in).Snapshot
			before, after := accessOf(old), accessOf(next)
			for who := range accessOf(old.Only(next)) {
				left++
				if !before[who] || !after[who] {
					t.Errorf("%s (before: %v, after: %v)", who, before[who], after[who])
				}
			}
		})
	})
	if left < 100 {
		t.Errorf("only %d sentences were left; the law says little", left)
	}
}

// edit is what a watch brings: an object that is new, gone or another one, a Secret or a
// Namespace that changed, or the same world in another order.
func edit(t *rapid.T, in compile.Input) compile.Input {
	switch rapid.IntRange(0, 8).Draw(t, "edit") {
	case 0:
		in.Organizations = editList(t, in.Organizations, drawOrganization)
	case 1:
		in.Applications = editList(t, in.Applications, drawApplication)
	case 2:
		in.Roles = editList(t, in.Roles, drawRole)
	case 3:
		in.Providers = editList(t, in.Providers, drawProvider)
	case 4:
		in.Secrets = editList(t, in.Secrets, drawSecret)
	case 5:
		in.Outputs = editList(t, in.Outputs, drawOutput)
	case 6:
		in.Namespaces = editList(t, in.Namespaces, drawNamespace)
	case 7:
		in.Adopted = drawAdopted(t, in)
	default:
		in.Applications = rapid.Permutation(in.Applications).Draw(t, "applications")
	}
	return in
}

func editList[T any](t *rapid.T, list []T, draw func(*rapid.T) T) []T {
	list = slices.Clone(list)
	i := rapid.IntRange(0, len(list)).Draw(t, "at")
	switch {
	case i == len(list):
		return append(list, draw(t))
	case rapid.Bool().Draw(t, "delete"):
		return slices.Delete(list, i, i+1)
	default:
		next := draw(t)
		if rapid.Bool().Draw(t, "same object") {
			renew(list[i], next)
		}
		list[i] = next
		return list
	}
}

// renew makes next a new version of the old object, if both are objects.
func renew(old, next any) {
	from, ok := old.(metav1.Object)
	to, isObject := next.(metav1.Object)
	if !ok || !isObject || reflect.ValueOf(old).IsNil() {
		return
	}
	to.SetNamespace(from.GetNamespace())
	to.SetName(from.GetName())
	to.SetUID(from.GetUID())
	to.SetCreationTimestamp(from.GetCreationTimestamp())
	to.SetGeneration(from.GetGeneration() + 1)
}

func deepCopy(in compile.Input) compile.Input {
	in.Organizations = copies(in.Organizations, (*v1alpha1.Organization).DeepCopy)
	in.Applications = copies(in.Applications, (*v1alpha1.ApiApplication).DeepCopy)
	in.Roles = copies(in.Roles, (*v1alpha1.Role).DeepCopy)
	in.Providers = copies(in.Providers, (*v1alpha1.AuthProvider).DeepCopy)
	in.Secrets, in.Namespaces, in.Outputs = slices.Clone(in.Secrets), slices.Clone(in.Namespaces), slices.Clone(in.Outputs)
	for i, n := range in.Namespaces {
		in.Namespaces[i].Labels = map[string]string{"team": n.Labels["team"]}
		in.Namespaces[i].Slugs = slices.Clone(n.Slugs)
	}
	return in
}

func copies[T any](list []*T, deepCopy func(*T) *T) []*T {
	list = slices.Clone(list)
	for i, o := range list {
		list[i] = deepCopy(o)
	}
	return list
}
