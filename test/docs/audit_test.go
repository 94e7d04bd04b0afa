package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Whoever writes a rule for alarms writes it from docs/audit.md: an action that is not in it
// is never looked for, and one that nothing writes is waited for in vain.
func TestAuditMdListsTheActionsThatAreWritten(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n| actions | when |\n")
	if !found {
		t.Fatal("docs/audit.md has no table | actions | when |")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var listed []string
	for line := range strings.Lines(table) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
			listed = append(listed, m[1])
		}
	}
	written := actionsWritten(t)
	for _, action := range listed {
		if written[action] == "" {
			t.Errorf("docs/audit.md lists %s, which nothing writes", action)
		}
	}
	for action, where := range written {
		if !slices.Contains(listed, action) {
			t.Errorf("%s writes %s, which docs/audit.md does not list", where, action)
		}
	}
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	// An action is two words with a dot between them. What else looks like one is a file or
	// a host, and known by how it ends.
	actionName = regexp.MustCompile(`^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$`)
	noAction   = regexp.MustCompile(`\.(html|txt|css|js|com|db|json|key|crt)$`)
)

// actionsWritten finds the actions in the text of the server and of the command line, with a
// place of each. What they are looked up by (keys of a map, comparisons, flags) writes none.
func actionsWritten(t *testing.T) map[string]string {
	t.Helper()
	found, set := map[string]string{}, token.NewFileSet()
	for _, path := range programs(t) {
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			var written []ast.Expr
			switch n := n.(type) {
			case *ast.CallExpr:
				written = n.Args
			case *ast.AssignStmt:
				written = n.Rhs
			case *ast.ReturnStmt:
				written = n.Results
			case *ast.ValueSpec:
				written = n.Values
			case *ast.CompositeLit:
				written = n.Elts
			case *ast.KeyValueExpr:
				written = []ast.Expr{n.Value}
			}
			for _, e := range written {
				if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
					if action, _ := strconv.Unquote(text.Value); actionName.MatchString(action) && !noAction.MatchString(action) {
						found[action] = set.Position(text.Pos()).String()
					}
				}
			}
			return true
		})
	}
	if len(found) < 20 {
		t.Fatalf("found %d actions: %v", len(found), found)
	}
	return found
}

// programs are the files of the server and the command line, without their tests.
func programs(t *testing.T) (files []string) {
	t.Helper()
	for _, under := range []string{root + "/server", root + "/internal/cli"} {
		err := filepath.WalkDir(under, func(path string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !holdsTests(path) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}
