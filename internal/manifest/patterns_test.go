package manifest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestWhatIsSaidToBeRightMatchesItsPattern(t *testing.T) {
	var schemas strings.Builder
	files, err := filepath.Glob("../../config/crd/auth.gatehouse.dev_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d definitions (%v)", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		schemas.Write(text)
	}
	for pattern, right := range written {
		if !strings.Contains(schemas.String(), "pattern: "+pattern+"\n") && !strings.Contains(schemas.String(), "pattern: '"+pattern+"'\n") {
			t.Errorf("no definition has the pattern %s", pattern)
		}
		examples, _, _ := strings.Cut(right, ";")
		examples, _, _ = strings.Cut(examples, ", in ")
		if strings.HasPrefix(right, "data:") {
			examples = right
		}
		for _, example := range regexp.MustCompile(`, | or `).Split(examples, -1) {
			if !regexp.MustCompile(pattern).MatchString(example) {
				t.Errorf("%q does not match %s", example, pattern)
			}
		}
	}
}

func TestAPatternThatRefusesSaysWhatIsRight(t *testing.T) {
	manifest := strings.Replace(organization, "slug: acme", "slug: acme\n  domains: [Acme.com]\n  login: {ssoMaxAge: 7d}", 1)
	_, problems := load(t, manifest)
	said := strings.Join(lines(problems), "\n")
	for _, want := range []string{"; write it like 90s, 15m or 168h; there are no days", "; write it like acme.com, in lower case"} {
		if !strings.Contains(said, want) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
}
