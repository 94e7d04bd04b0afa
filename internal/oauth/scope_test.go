package oauth_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
func TestParseScopeAdmitsScopeTokensOnly(t *testing.T) {
	for raw, want := range map[string]oauth.ScopeSet{
		"":                   nil,
		"  ":                 nil,
		"org:read":           {"org:read"},
		"b a  b":             {"a", "b"},
		" org:read team:~! ": {"org:read", "team:~!"},
	} {
		got, ok := oauth.ParseScope(raw)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%q: %v %s", raw, ok, diff)
		}
	}
	for _, raw := range []string{"a\tb", "a\nb", `a"b`, `a\b`, "a\x00", "a\x7f", "ä", "a\r"} {
		if set, ok := oauth.ParseScope(raw); ok || set != nil {
			t.Errorf("%q was admitted as %v", raw, set)
		}
	}
}

func TestScopeSetsAreSets(t *testing.T) {
	draw := func(t *rapid.T, label string) oauth.ScopeSet {
		return oauth.NewScopeSet(rapid.SliceOf(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})).Draw(t, label)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		for _, s := range []string{"a", "b", "c", "d", "e", "f", ""} {
			inA, inB := a.Has(s), b.Has(s)
			if a.Union(b).Has(s) != (inA || inB) || a.Intersect(b).Has(s) != (inA && inB) || a.Without(b).Has(s) != (inA && !inB) {
				t.Fatalf("%q in %v and %v", s, a, b)
			}
		}
		if a.Covers(b) != (len(b.Intersect(a)) == len(b)) || !a.Union(b).Covers(a) {
			t.Fatalf("%v covers %v: %v", a, b, a.Covers(b))
		}
		parsed, ok := oauth.ParseScope(a.String())
		if diff := cmp.Diff(a, parsed); !ok || diff != "" {
			t.Fatalf("%q does not read back: %s", a, diff)
		}
	})
}

func TestASetDoesNotShareItsSlice(t *testing.T) {
	given := []string{"b", "a"}
	set := oauth.NewScopeSet(given...)
	given[0] = "z"
	other := set.Union(oauth.NewScopeSet("c"))
	other[0] = "y"
	if diff := cmp.Diff(oauth.ScopeSet{"a", "b"}, set); diff != "" {
		t.Error(diff)
	}
}
