package kubelogin

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// page is what a platform team reads. The test takes its YAML from there, and puts in what
// is its own: addresses, certificates and the id of the Organization.
const page = "../../docs/kubectl.md"

var fence = regexp.MustCompile("(?ms)^```yaml *([^\n]*)\n(.*?)^```$")

// blocks returns the blocks of YAML on the page by the words on their fences.
func blocks(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		if all[m[1]] != "" {
			t.Fatalf("%s has two blocks %q, and only one would be tested", page, m[1])
		}
		all[m[1]] = m[2]
	}
	return all
}

// fill replaces values of YAML at paths such as users.user.exec, which lead through the
// first entry of a list.
func fill(t *testing.T, text string, values map[string]any) string {
	t.Helper()
	var document map[string]any
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	for path, value := range values {
		names := strings.Split(path, ".")
		last := len(names) - 1
		in := document
		for _, name := range names[:last] {
			next := in[name]
			if list, isList := next.([]any); isList {
				next = list[0]
			}
			in = next.(map[string]any)
		}
		in[names[last]] = value
	}
	out, err := yaml.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
