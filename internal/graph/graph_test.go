package graph_test

import (
	"flag"
	"html"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/graph"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

var update = flag.Bool("update", false, "write the tree into testdata")

func world(t *testing.T, slug string) []graph.Node {
	t.Helper()
	set, problems := manifest.Load([]string{"testdata/world.yaml"}, manifest.Options{SystemNamespace: "gatehouse-system"})
	for _, p := range problems {
		t.Fatal(p)
	}
	return graph.New(set.Input(model.NewSensitive("key")).AssumingSecrets(), slug)
}

func TestTheTreeSaysWhoCanDoWhatAndWhy(t *testing.T) {
	var b strings.Builder
	if err := graph.Text(&b, world(t, "")); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/world.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryScopeHasAReason(t *testing.T) {
	each(world(t, ""), func(n graph.Node) {
		if n.Kind == "scopes" && n.Note == "" {
			t.Errorf("nobody knows why somebody has %s", n.Name)
		}
	})
}

func TestOneOrganizationAlone(t *testing.T) {
	if tree := world(t, "shop"); len(tree) != 1 || tree[0].Name != "shop" {
		t.Errorf("%+v", tree)
	}
	if tree := world(t, "nowhere"); len(tree) != 0 {
		t.Errorf("%+v", tree)
	}
}

// The page holds everything, runs nothing and asks for nothing.
func TestThePageIsWholeAndHarmless(t *testing.T) {
	var b strings.Builder
	tree := world(t, "")
	if err := graph.HTML(&b, tree); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	shown := html.UnescapeString(page)
	each(tree, func(n graph.Node) {
		for _, text := range []string{n.Name, n.Note} {
			if !strings.Contains(shown, text) {
				t.Errorf("the page does not show %q", text)
			}
		}
	})
	for _, forbidden := range []string{"<script", "src=", "href=", "@import", "url("} {
		if strings.Contains(page, forbidden) {
			t.Errorf("the page has %q", forbidden)
		}
	}
	for _, tag := range []string{"ul", "li", "details", "summary", "section", "main", "body", "html"} {
		if opened, closed := strings.Count(page, "<"+tag), strings.Count(page, "</"+tag+">"); opened != closed || opened == 0 {
			t.Errorf("<%s> is opened %d times and closed %d times", tag, opened, closed)
		}
	}
	if !strings.Contains(page, "prefers-color-scheme: dark") || !strings.Contains(page, "default-src 'none'") {
		t.Error("the page has no dark form, or no policy")
	}
}

func each(tree []graph.Node, see func(graph.Node)) {
	for _, n := range tree {
		see(n)
		each(n.Children, see)
	}
}
