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
	page, err := os.ReadFile(root + "/docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	found := overlay.FindSubmatch(page)
	if found == nil {
		t.Fatal("docs/install.md has no overlay")
	}
	dir := t.TempDir()
	config, err := filepath.Abs(root + "/config")
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "overlay"), 0o755)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "gatehouse"), 0o755)
	}
	if err == nil {
		err = os.CopyFS(filepath.Join(dir, "gatehouse", "config"), os.DirFS(config))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay", "kustomization.yaml"), found[1], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	rendered := kubectl(t, "", "", "kustomize", filepath.Join(dir, "overlay"))
	for _, want := range []string{"value: https://auth.acme.com", "image: registry.example.com/gatehouse:0.1.0", "value: /var/lib/gatehouse/data"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("the overlay does not give %s", want)
		}
	}
	if strings.Contains(rendered, "https://auth.example.com") {
		t.Error("the issuer of config/default is still there")
	}
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
