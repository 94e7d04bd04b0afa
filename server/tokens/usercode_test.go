package tokens

import (
	"regexp"
	"testing"
)

func TestUserCodesAreReadInAnyCaseWithDashesAnywhere(t *testing.T) {
	for _, typed := range []string{"BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f-g-h-j-k"} {
		if code, ok := ParseUserCode(typed); !ok || code != "BCDFGHJK" || code.String() != "BCDF-GHJK" {
			t.Errorf("%q is read as %q, %t", typed, code, ok)
		}
	}
	for _, typed := range []string{"", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF_GHJK", "BCDF-GHJ1", "BCDF\nGHJK", "BCDAGHJK"} {
		if code, ok := ParseUserCode(typed); ok {
			t.Errorf("%q is read as %q", typed, code)
		}
	}
}

func TestNewUserCodesReadAsTheyAreShown(t *testing.T) {
	shape := regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`)
	seen := map[UserCode]bool{}
	for range 1000 {
		code := NewUserCode()
		if read, ok := ParseUserCode(code.String()); !ok || read != code || !shape.MatchString(code.String()) || seen[code] {
			t.Fatalf("code %q is read as %q", code, read)
		}
		seen[code] = true
	}
}
