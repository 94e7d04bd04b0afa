package plan_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/plan"
)

var update = flag.Bool("update", false, "write what the plans say into testdata")

// Each directory of cases, with the fewest cases in it and the outcome of all of them.
var outcomes = []struct {
	directory string
	least     int
	want      plan.Outcome
}{
	{"widened", 30, plan.OutcomeWidened},
	{"narrowed", 8, plan.OutcomeChanged},
	{"changed", 5, plan.OutcomeChanged},
	{"broken", 3, plan.OutcomeBroken},
	{"cosmetic", 8, plan.OutcomeSame},
}

// A case is what differs from testdata/base.yaml: before (old.yaml), after (new.yaml, and
// removed), and the text of the plan.
func TestPlansSayWhatChanges(t *testing.T) {
	for _, o := range outcomes {
		files, err := filepath.Glob("testdata/" + o.directory + "/*.txtar")
		if err != nil || len(files) < o.least {
			t.Errorf("%d cases of %s, %v; want at least %d", len(files), o.directory, err, o.least)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".txtar"), func(t *testing.T) { runCase(t, file, o.want) })
		}
	}
}

func runCase(t *testing.T, file string, want plan.Outcome) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := load(t, "testdata/base.yaml")
	old = overlaid(old, load(t, write(t, archive, "old.yaml")))
	next := without(overlaid(old, load(t, write(t, archive, "new.yaml"))), strings.Split(section(archive, "removed"), "\n"))
	before, after := plan.NewState(old.AssumingSecrets()), plan.NewState(next.AssumingSecrets())
	p := plan.Compare(before, after)
	if p.Outcome != want {
		t.Errorf("the outcome is %s, want %s", p.Outcome, want)
	}
	if want == plan.OutcomeWidened && p.Widened == 0 || want == plan.OutcomeSame && len(p.Changes) > 0 {
		t.Errorf("%d widened of %d changes", p.Widened, len(p.Changes))
	}
	var said strings.Builder
	if err := p.Text(&said); err != nil {
		t.Fatal(err)
	}
	if *update {
		i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
		archive.Files[i].Data = []byte(said.String())
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(section(archive, "want"), said.String()); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	// Nothing lies between a configuration and itself.
	if same := plan.Compare(after, after); same.Outcome != plan.OutcomeSame {
		t.Errorf("compared with itself: %+v", same.Changes)
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func write(t *testing.T, a *txtar.Archive, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	content := section(a, name)
	if content == "" {
		content = "# nothing\n"
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, path string) compile.Input {
	t.Helper()
	set, problems := manifest.Load([]string{path}, manifest.Options{SystemNamespace: "gatehouse-system"})
	for _, p := range problems {
		t.Fatal(p)
	}
	return set.Input(model.NewSensitive("key"))
}

// overlaid is an input in which the objects of another take the place of those of their name.
func overlaid(in, over compile.Input) compile.Input {
	in.Organizations = replaced(in.Organizations, over.Organizations)
	in.Applications = replaced(in.Applications, over.Applications)
	in.Roles = replaced(in.Roles, over.Roles)
	in.Providers = replaced(in.Providers, over.Providers)
	in.Secrets = append(slices.DeleteFunc(slices.Clone(in.Secrets), func(s compile.Secret) bool {
		return slices.ContainsFunc(over.Secrets, func(o compile.Secret) bool { return o.Namespace == s.Namespace && o.Name == s.Name })
	}), over.Secrets...)
	in.Namespaces = append(slices.Clone(in.Namespaces), over.Namespaces...)
	return in
}

func replaced[T metav1.Object](list, over []T) []T {
	kept := slices.DeleteFunc(slices.Clone(list), func(o T) bool {
		return slices.ContainsFunc(over, func(n T) bool { return n.GetNamespace() == o.GetNamespace() && n.GetName() == o.GetName() })
	})
	return append(kept, over...)
}

func without(in compile.Input, names []string) compile.Input {
	in.Organizations = removed(in.Organizations, "Organization", names)
	in.Applications = removed(in.Applications, "ApiApplication", names)
	in.Roles = removed(in.Roles, "Role", names)
	in.Providers = removed(in.Providers, "AuthProvider", names)
	return in
}

func removed[T metav1.Object](list []T, kind string, names []string) []T {
	return slices.DeleteFunc(slices.Clone(list), func(o T) bool {
		return slices.Contains(names, kind+" "+o.GetNamespace()+"/"+o.GetName())
	})
}
