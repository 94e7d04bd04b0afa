package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func TestFieldsThatNeverChangeAreRefusedWhereTheyAreWritten(t *testing.T) {
	const application = `apiVersion: auth.gatehouse.dev/v1alpha1
kind: ApiApplication
metadata: {name: cli, namespace: acme}
spec:
  organizationRef: {name: acme}
  type: Device
  scopes: [org:read]
`
	load := func(text string) *Set {
		path := filepath.Join(t.TempDir(), "app.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, problems := Load([]string{path}, Options{})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return set
	}
	before := load(application).Input(model.NewSensitive("key"))
	for _, c := range []struct {
		next, field string
		line        int
	}{
		{application, "", 0},
		{strings.Replace(application, "[org:read]", "[org:read, org:write]", 1), "", 0},
		{strings.Replace(application, "name: cli", "name: other", 1), "", 0},
		{strings.Replace(application, "type: Device", "type: Machine", 1), "spec.type", 6},
		{strings.Replace(application, "{name: acme}", "{name: acme, namespace: acme}", 1), "spec.organizationRef", 5},
		{application + "  clientID: acme.cli\n", "spec.clientID", 8},
	} {
		problems := load(c.next).Transitions(before)
		switch {
		case c.field == "" && len(problems) > 0:
			t.Errorf("refused: %v", problems)
		case c.field == "":
		case len(problems) != 1 || problems[0].Field != c.field || problems[0].Line != c.line || !strings.Contains(problems[0].Message, "create a new ApiApplication"):
			t.Errorf("%s: %v", c.field, problems)
		}
	}
}
