package docs

import (
	"os"
	"strings"
	"testing"
)

// These pages have tables that end in the test which proves the row: one that is not there
// proves nothing, nor does a row without one.
func TestEveryRowNamesATestThatExists(t *testing.T) {
	files, exists := sources(t), map[string]bool{}
	for _, source := range files {
		for _, found := range declaredTest.FindAllSubmatch(source, -1) {
			exists[string(found[1])] = true
		}
	}
	for page, table := range map[string]string{
		"tenancy.md":      "| who | tries to | and is stopped by | tried by |",
		"architecture.md": "| mistake | what is done instead | test |",
	} {
		text, err := os.ReadFile(root + "/docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(text), "\n"+table+"\n")
		if !found {
			t.Fatalf("docs/%s has no table %s", page, table)
		}
		rows := 0
		for line := range strings.Lines(rest) {
			if !strings.HasPrefix(line, "|") {
				break
			}
			if strings.HasPrefix(line, "|---") {
				continue
			}
			rows++
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			names := namedTest.FindAllStringSubmatch(cells[len(cells)-1], -1)
			if len(names) == 0 {
				t.Errorf("docs/%s: no test in the row %s", page, line)
			}
			for _, name := range names {
				if !exists[name[1]] {
					t.Errorf("docs/%s names %s, which does not exist", page, name[1])
				}
			}
		}
		if rows < 15 {
			t.Errorf("docs/%s: %d rows", page, rows)
		}
	}
}
