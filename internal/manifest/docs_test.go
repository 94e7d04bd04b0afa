package manifest

import (
	"io/fs"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// fence matches a block of Markdown: its words, its content, and the block right after it
// that says what is printed.
var fence = regexp.MustCompile("(?ms)^```(yaml[^\n]*)\n(.*?)^```$(?:\n```text\n(.*?)^```$)?")

// Every block ```yaml of README and docs is complete objects, and they are right beside
// config/samples; ```yaml mistake gives exactly the message of the block after it;
// ```yaml fragment is no complete object.
func TestEveryExampleInTheDocsIsRight(t *testing.T) {
	examples := 0
	check := func(name string) {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatchIndex(string(text), -1) {
			line := 1 + strings.Count(string(text[:m[0]]), "\n")
			words, block, want := string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), ""
			if words == "yaml mistake" {
				if m[6] < 0 {
					t.Errorf("%s:%d: no block ```text after the mistake", name, line)
					continue
				}
				want = strings.TrimSpace(string(text[m[6]:m[7]]))
			} else if words != "yaml" {
				continue
			}
			examples++
			if diff := cmp.Diff(want, strings.Join(judgedBesideSamples(t, block), "\n")); diff != "" {
				t.Errorf("%s:%d: %s", name, line, diff)
			}
		}
	}
	err := fs.WalkDir(os.DirFS("../.."), "docs", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			check(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../../README.md"); err == nil {
		check("README.md")
	}
	if examples < 20 {
		t.Errorf("only %d examples were found", examples)
	}
}

// `kubectl delete -f config/samples` takes what it declares, and not the server, its people
// and its keys with the namespace that they are in.
func TestWhoeverDeletesTheSamplesKeepsTheServer(t *testing.T) {
	samples, problems := Load([]string{"../../config/samples"}, Options{SystemNamespace: "gatehouse-system"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	namespaces := 0
	for _, object := range samples.objects {
		if n, is := object.resource.(compile.Namespace); is {
			namespaces++
			if n.Name == "gatehouse-system" {
				t.Error("the system namespace is among them")
			}
		}
	}
	if namespaces != 2 {
		t.Errorf("%d namespaces", namespaces)
	}
}

// judgedBesideSamples returns what is said of the objects of a block when they are applied
// over config/samples.
func judgedBesideSamples(t *testing.T, block string) (said []string) {
	t.Helper()
	samples, problems := Load([]string{"../../config/samples"}, Options{SystemNamespace: "gatehouse-system"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	set, problems := load(t, block)
	for _, p := range append(problems, set.Notes...) {
		said = append(said, p.Field+": "+p.Message)
	}
	maps.Copy(samples.objects, set.objects)
	in := samples.Input(model.NewSensitive("key"))
	in.AnySlug, in.AssumeOutputs = false, true
	for _, r := range compile.Compile(in).Reports {
		id := r.Object
		id.UID = ""
		if set.objects[id] == nil {
			continue
		}
		for _, f := range r.Findings {
			said = append(said, f.Message)
		}
	}
	return said
}
