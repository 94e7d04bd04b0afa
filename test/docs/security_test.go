// Package docs holds the tests of what docs/ says about the code.
package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	root     = "../.."
	security = root + "/docs/security.md"
)

var (
	namedTest    = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	// ASVS 6.2.6-7, 6.2.9 in a comment: three ids.
	cited   = regexp.MustCompile(`//.*?\bASVS ([\d., -]+)`)
	asvsID  = regexp.MustCompile(`\d+\.\d+\.\d+(?:-\d+)?`)
	started = regexp.MustCompile(`(?m)^\| ([\d., -]+) \|`)
)

func TestEveryTestNamedInSecurityMdExists(t *testing.T) {
	page, err := os.ReadFile(security)
	if err != nil {
		t.Fatal(err)
	}
	exists, rows := map[string]bool{}, map[string]bool{}
	for _, row := range started.FindAllSubmatch(page, -1) {
		for _, id := range ids(string(row[1])) {
			rows[id] = true
		}
	}
	for path, source := range testSources(t) {
		for _, found := range declaredTest.FindAllSubmatch(source, -1) {
			exists[string(found[1])] = true
		}
		for _, comment := range cited.FindAllSubmatch(source, -1) {
			for _, id := range ids(string(comment[1])) {
				if !rows[id] {
					t.Errorf("%s cites ASVS %s, which has no row in docs/security.md", path, id)
				}
			}
		}
	}
	names := namedTest.FindAllString(string(page), -1)
	if len(names) == 0 || len(rows) == 0 {
		t.Fatalf("docs/security.md names %d tests in %d rows", len(names), len(rows))
	}
	for _, name := range names {
		if !exists[name] {
			t.Errorf("docs/security.md names %s, which no test file declares", name)
		}
	}
}

// ids returns the ids of a list such as "6.2.6-7, 6.2.9", ranges written out.
func ids(list string) (all []string) {
	for _, id := range asvsID.FindAllString(list, -1) {
		first, last, isRange := strings.Cut(id, "-")
		all = append(all, first)
		if !isRange {
			continue
		}
		section := first[:strings.LastIndexByte(first, '.')]
		from, _ := strconv.Atoi(first[len(section)+1:])
		to, _ := strconv.Atoi(last)
		for n := from + 1; n <= to; n++ {
			all = append(all, fmt.Sprintf("%s.%d", section, n))
		}
	}
	return all
}

// testSources returns every test file of the tree by its path.
func testSources(t *testing.T) map[string][]byte {
	t.Helper()
	sources := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		sources[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}
