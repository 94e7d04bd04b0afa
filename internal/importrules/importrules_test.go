// Package importrules holds the test of who may import whom. Arrows point down only;
// rooms on one floor do not know each other.
package importrules

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gatehouse-dev/gatehouse"

type rule struct {
	pattern string   // path below the module; "server/..." matches everything below too
	ours    []string // what it may import of ours; itself and below is always allowed
	never   []string // import paths that it must not import itself
	nowhere []string // import paths, with all below them, that it must not even depend on
}

// rules: the first entry whose pattern matches a package speaks for it. A package that no
// entry matches fails the test, so that a new room gets a place in the house.
var rules = []rule{
	{pattern: "api/v1alpha1", nowhere: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"}},
	{pattern: "config/crd", nowhere: []string{"k8s.io/", "net/http"}},
	{pattern: "internal/oauth", nowhere: []string{"k8s.io/", "net/http"}},
	{pattern: "internal/jwk", nowhere: []string{"k8s.io/", "net/http"}},
	{pattern: "internal/mapping", nowhere: []string{"k8s.io/", "net/http"}, never: []string{"os", "time", "net"}},
	{pattern: "internal/model", ours: []string{"internal/jwk", "internal/mapping", "internal/oauth"}, nowhere: []string{"k8s.io/"}, never: []string{"net/http"}},
	{pattern: "internal/keyring", ours: []string{"internal/model"}, nowhere: []string{"k8s.io/"}, never: []string{"net/http"}},
	{pattern: "internal/credential", ours: []string{"internal/model"}, nowhere: []string{"k8s.io/"}, never: []string{"net/http", "os"}},
	{
		pattern: "internal/compile/...",
		ours:    []string{"api/v1alpha1", "internal/compile", "internal/credential", "internal/jwk", "internal/mapping", "internal/model", "internal/oauth"},
		never:   []string{"context", "os", "log", "log/slog", "math/rand", "net", "net/http"},
		nowhere: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go"},
	},
	{
		pattern: "internal/output",
		ours:    []string{"api/v1alpha1", "internal/compile", "internal/credential", "internal/model"},
		nowhere: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go", module + "/server", module + "/controllers"},
		never:   []string{"os", "net/http"},
	},
	{
		pattern: "internal/plan",
		ours:    []string{"api/v1alpha1", "internal/compile", "internal/mapping", "internal/model", "internal/oauth"},
		never:   []string{"context", "os", "log", "log/slog", "net", "net/http"},
		nowhere: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go", module + "/server", module + "/controllers"},
	},
	{
		pattern: "internal/graph",
		ours:    []string{"internal/compile", "internal/model", "internal/oauth"},
		never:   []string{"context", "os", "log", "log/slog", "net", "net/http"},
		nowhere: []string{"sigs.k8s.io/controller-runtime", "k8s.io/client-go", module + "/server", module + "/controllers"},
	},
	{
		pattern: "internal/manifest/...",
		ours:    []string{"api/v1alpha1", "config/crd", "internal/compile", "internal/model"},
		nowhere: []string{"sigs.k8s.io/controller-runtime", module + "/server", module + "/controllers"},
	},
	{
		pattern: "controllers/...",
		ours:    []string{"api/v1alpha1", "internal/compile", "internal/jwk", "internal/model", "internal/keyring", "internal/output"},
		nowhere: []string{module + "/server", module + "/internal/manifest"},
	},
	{
		pattern: "server/...",
		ours:    []string{"internal/jwk", "internal/mapping", "internal/model", "internal/oauth", "internal/keyring", "server/..."},
		nowhere: []string{"k8s.io/", "sigs.k8s.io/", module + "/api", module + "/controllers"},
	},
	{
		pattern: "internal/login",
		ours:    []string{"internal/oauth"},
		nowhere: []string{"k8s.io/", module + "/server", module + "/controllers"},
	},
	{pattern: "internal/cli/...", ours: []string{"..."}},
	{pattern: "internal/importrules"},
	{pattern: "", ours: []string{"internal/cli"}},
	{pattern: "hack/...", ours: []string{"..."}},
	{pattern: "test/...", ours: []string{"..."}},
	{pattern: "examples/...", ours: []string{"..."}},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestArrowsPointDownOnly(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.pattern, name) })
		if i < 0 {
			t.Errorf("%s has no place in the house: add it to the rules of this test and to docs/architecture.md", name)
			continue
		}
		r := rules[i]
		for _, imported := range p.Imports {
			below, isOurs := strings.CutPrefix(imported, module+"/")
			if isOurs && !matches(name+"/...", below) && !slices.ContainsFunc(r.ours, func(o string) bool { return matches(o, below) }) {
				t.Errorf("%s must not import %s: see docs/architecture.md", name, below)
			}
			if slices.Contains(r.never, imported) {
				t.Errorf("%s must not import %s", name, imported)
			}
		}
		for _, dep := range p.Deps {
			if slices.ContainsFunc(r.nowhere, func(n string) bool {
				return dep == n || strings.HasPrefix(dep, strings.TrimSuffix(n, "/")+"/")
			}) {
				t.Errorf("%s must not depend on %s, not even through others", name, dep)
			}
		}
	}
}

// matches reports whether pattern names the package: exactly, or with "/..." everything
// below it as well.
func matches(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	root, deep := strings.CutSuffix(pattern, "/...")
	return name == root || deep && strings.HasPrefix(name, root+"/")
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", path.Join(module, "..."))
	cmd.Dir = "../.."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []listed
	for d := json.NewDecoder(out); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil || len(all) == 0 {
		t.Fatalf("go list: %v, %d packages", err, len(all))
	}
	return all
}
