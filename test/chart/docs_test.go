package chart

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var overlay = regexp.MustCompile("(?s)```yaml kustomization\n(.*?)```")

func TestTheOverlayOfTheDocsSetsIssuerAndImage(t *testing.T) {
	rendered := renderOfDocs(t, map[string]*regexp.Regexp{"overlay": overlay})
	for _, want := range []string{"value: https://auth.acme.com", "image: registry.example.com/gatehouse:0.1.0", "value: /var/lib/gatehouse/data"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the overlay does not give %s", want)
		}
	}
	if strings.Contains(rendered, "https://auth.example.com") {
		t.Error("the issuer of config/default is still there")
	}
}

func TestTheOverlayOfTheDocsGivesRightsInNamespaces(t *testing.T) {
	rendered := renderOfDocs(t, map[string]*regexp.Regexp{
		"overlay":      regexp.MustCompile("(?s)```yaml kustomization of namespaces\n(.*?)```"),
		"overlay/acme": regexp.MustCompile("(?s)```yaml kustomization of a namespace\n(.*?)```"),
	})
	got := objects(t, rendered)
	for _, in := range []string{"acme", namespace} {
		binding, _ := got["RoleBinding "+in+"/gatehouse-declarations"].(map[string]any)
		if bound := text(t, binding["subjects"]); got["Role "+in+"/gatehouse-declarations"] == nil || !strings.Contains(bound, "name: gatehouse\n  namespace: "+namespace) {
			t.Errorf("%s: bound to %s", in, bound)
		}
	}
	if got["ClusterRole /gatehouse"] != nil || got["ClusterRoleBinding /gatehouse"] != nil {
		t.Error("it has rights in the cluster")
	}
	for _, want := range []string{"value: https://auth.acme.com", "value: gatehouse-system,acme", "value: /var/lib/gatehouse/data"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the overlay does not give %s", want)
		}
	}
}

// renderOfDocs renders kustomizations of docs/install.md, by their directories, beside a copy
// of config; the one in overlay is rendered.
func renderOfDocs(t *testing.T, kustomizations map[string]*regexp.Regexp) string {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, err := filepath.Abs(root + "/config")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "gatehouse"), 0o755)
	}
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "gatehouse", "config"), os.DirFS(config))
	}
	if err != nil {
		t.Fatal(err)
	}
	for at, block := range kustomizations {
		found := block.FindSubmatch(page)
		if found == nil {
			t.Fatalf("docs/install.md has no kustomization for %s", at)
		}
		if err := os.MkdirAll(filepath.Join(dir, at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, at, "kustomization.yaml"), found[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return kubectl(t, "", "", "kustomize", filepath.Join(dir, "overlay"))
}

var valueRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|(.*)\\|$")

// `make generate` writes the table from values.yaml, of which it reads the comments that
// begin with two dashes.
func TestEveryValueIsDescribed(t *testing.T) {
	page, err := os.ReadFile(root + "/charts/gatehouse/README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := valueRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 25 {
		t.Errorf("the chart's README describes %d values only", len(rows))
	}
	for _, row := range rows {
		if strings.TrimSpace(row[2]) == "" || strings.TrimSpace(row[3]) == "" {
			t.Errorf("%s has no default or no description; write one in values.yaml as `# -- …`", row[1])
		}
	}
}
