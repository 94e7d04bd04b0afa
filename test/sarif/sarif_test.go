// Package sarif holds what `gatehouse validate --output sarif` prints against the published
// schema of SARIF 2.1.0, so that code scanning takes it.
package sarif

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/securego/gosec/v2/cwe" // whose module has the schema
	"github.com/xeipuuv/gojsonschema"
)

// published is the schema as another program's own tests have it.
func published(t *testing.T) *gojsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/securego/gosec/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "report", "sarif", "testdata", "sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gojsonschema.NewSchema(gojsonschema.NewBytesLoader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// problems are what the schema says against a report.
func problems(t *testing.T, schema *gojsonschema.Schema, report []byte) []gojsonschema.ResultError {
	t.Helper()
	result, err := schema.Validate(gojsonschema.NewBytesLoader(report))
	if err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	return result.Errors()
}

const broken = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: Not A Slug}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["no:such"]
  credentials: {source: None}
`

const clean = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
`

const weak = `
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Organization
metadata: {name: acme, namespace: acme}
spec: {slug: acme}
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Machine
  scopes: ["no:such"]
---
apiVersion: auth.gatehouse.dev/v1alpha1
kind: Role
metadata: {name: deployer, namespace: acme}
spec:
  organizationRef: {name: acme}
  rules: [{scopes: ["no:such"]}]
`

func TestWhatValidatePrintsIsSARIF(t *testing.T) {
	gatehouse := filepath.Join(t.TempDir(), "gatehouse")
	build := exec.Command("go", "build", "-o", gatehouse, ".")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	schema := published(t)
	samples, err := filepath.Abs(filepath.Join("..", "..", "config", "samples"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files map[string]string
		found bool
	}{
		"nothing wrong":                 {map[string]string{"acme.yaml": clean}, false},
		"what weakens, as the samples":  {nil, true},
		"what the schema refuses":       {map[string]string{"a b/ü.yaml": broken}, true},
		"what is refused when judged":   {map[string]string{"acme.yaml": weak}, true},
		"what cannot be read":           {map[string]string{"torn.yaml": "kind: [\n"}, true},
		"an object that is there twice": {map[string]string{"a.yaml": weak, "b.yaml": weak}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, of := t.TempDir(), samples
			for file, text := range c.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
				of = dir
			}
			var exit *exec.ExitError
			printed, err := exec.Command(gatehouse, "validate", "--output", "sarif", of).Output()
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if found := problems(t, schema, printed); len(found) > 0 {
				t.Errorf("%v\n%s", found, printed)
			}
			if found := strings.Contains(string(printed), `"ruleId"`); found != c.found {
				t.Errorf("it has findings: %v\n%s", found, printed)
			}
			for what, spoil := range map[string][2]string{
				"another version":   {`"version": "2.1.0"`, `"version": "2.1.1"`},
				"an unknown field":  {`"runs": [`, `"run": [], "runs": [`},
				"a tool of no name": {`"driver": {`, `"driver": {}, "extensions": [], "x": {`},
			} {
				if spoilt := strings.Replace(string(printed), spoil[0], spoil[1], 1); spoilt == string(printed) {
					t.Errorf("%s: nothing to spoil in\n%s", what, printed)
				} else if len(problems(t, schema, []byte(spoilt))) == 0 {
					t.Errorf("%s is let through", what)
				}
			}
		})
	}
}
