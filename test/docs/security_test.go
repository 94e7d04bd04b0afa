// Package docs holds the tests of what docs/ says about the code.
package docs

import (
	"bytes"
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
	namedTest    = regexp.MustCompile(`\b((?:Test|Fuzz)[A-Z]\w*)(?:/([\w-]+))?`)
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	// ASVS 6.2.6-7, 6.2.9 in a comment: three ids.
	cited   = regexp.MustCompile(`//.*?\bASVS ([\d., -]+)`)
	asvsID  = regexp.MustCompile(`\d+\.\d+\.\d+(?:-\d+)?`)
	started = regexp.MustCompile(`(?m)^\| ([\d., -]+) \|`)
	// RFC 9700 B-4.5 and B-4.8 in a comment: two rows of the chapter about it.
	rowID      = regexp.MustCompile(`\bB-\d[\d.]*\d[a-d]?`)
	rowStarted = regexp.MustCompile(`(?m)^\| (B-[^|]+) \|`)
)

func TestEveryTestNamedInSecurityMdExists(t *testing.T) {
	page, err := os.ReadFile(security)
	if err != nil {
		t.Fatal(err)
	}
	exists, rows := map[string]bool{}, map[string]bool{}
	asvs, _, _ := bytes.Cut(page, []byte("\n## 4. "))
	for _, row := range started.FindAllSubmatch(asvs, -1) {
		for _, id := range ids(string(row[1])) {
			rows[id] = true
		}
	}
	files := sources(t)
	for path, source := range files {
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
	names := namedTest.FindAllStringSubmatch(string(page), -1)
	if len(names) == 0 || len(rows) == 0 {
		t.Fatalf("docs/security.md names %d tests in %d rows", len(names), len(rows))
	}
	for _, name := range names {
		if !exists[name[1]] || name[2] != "" && !hasCase(files, name[2]) {
			t.Errorf("docs/security.md names %s, which does not exist", name[0])
		}
	}
}

// hasCase reports whether there is a case of the name: a txtar file, or a quoted name.
func hasCase(files map[string][]byte, name string) bool {
	for path, source := range files {
		if filepath.Base(path) == name+".txtar" || bytes.Contains(source, []byte(`"`+name+`"`)) {
			return true
		}
	}
	return false
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

// sources returns every test file of the tree, and the files of cases, by path.
func sources(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !holdsTests(path):
			return nil
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func holdsTests(path string) bool {
	return strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".txtar") || filepath.Base(filepath.Dir(path)) == "storetest"
}

// Nothing that is demanded of an authorization server, a resource server or a verifier of
// tokens may be forgotten: a row has a test, or says why it has none.
func TestSecurityMdHasEveryRowAboutSignInTokensAndOAuth(t *testing.T) {
	page, err := os.ReadFile(security)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{} // by id
	asvs, rest, _ := strings.Cut(string(page), "\n## 4. ")
	for line := range strings.Lines(asvs) {
		if m := started.FindStringSubmatch(line); m != nil {
			for _, id := range ids(m[1]) {
				rows[id] = line
			}
		}
	}
	for line := range strings.Lines(rest) {
		if m := rowStarted.FindStringSubmatch(line); m != nil {
			for _, id := range rowID.FindAllString(m[1], -1) {
				rows[id] = line
			}
		}
	}
	for _, id := range demanded() {
		switch row := rows[id]; {
		case row == "":
			t.Errorf("docs/security.md has no row %s", id)
		case !namedTest.MatchString(row) && !reasoned.MatchString(row):
			t.Errorf("row %s names no test and gives no reason: %s", id, row)
		}
	}
	for path, source := range sources(t) {
		for line := range strings.Lines(string(source)) {
			_, comment, _ := strings.Cut(line, "//")
			for _, id := range rowID.FindAllString(comment, -1) {
				if rows[id] == "" {
					t.Errorf("%s cites %s, which has no row in docs/security.md", path, id)
				}
			}
		}
	}
}

// reasoned rows say what they come with, or why they do not apply.
var reasoned = regexp.MustCompile(`comes? with |not applicable|not yet|by absence|by construction`)

// demanded lists the rows of chapters V6, V7, V9 and V10 of ASVS 5.0, and those of RFC 9700.
func demanded() (all []string) {
	for section, count := range map[string]int{
		"6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
		"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
		"9.1": 3, "9.2": 4, "10.1": 2, "10.2": 3, "10.3": 5, "10.4": 16, "10.5": 5, "10.6": 2, "10.7": 3,
	} {
		for n := range count {
			all = append(all, fmt.Sprintf("%s.%d", section, n+1))
		}
	}
	return append(all, strings.Fields(`B-2.1a B-2.1b B-2.1c B-2.1d B-2.1.1a B-2.1.1b B-2.1.1c B-2.1.1d B-2.1.2 B-2.2.1 B-2.2.2
		B-2.3 B-2.4 B-2.5 B-2.6a B-2.6b B-2.6c B-2.6d B-4.2 B-4.3 B-4.5 B-4.7 B-4.9 B-4.13 B-4.16 B-4.17`)...)
}
