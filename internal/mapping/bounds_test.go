package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
)

// soon is far more than what is allowed may take on a slow computer, and far less than
// what must not happen would.
const soon = 5 * time.Second

// within fails if something does not end.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("%.80s… does not end", what)
	}
}

// Each of these would take the server with it if it were run: what is made in a few steps
// shares its parts, and to compare or write it takes as many as it has.
func TestBombsAreRefusedWhenTheyAreDeclared(t *testing.T) {
	again := strings.Repeat
	for _, text := range []string{
		`[[1]]` + again(`.map(x, x + x)`, 42) + `.map(x, x == x ? "a" : "b")[0]`,
		`[[1]]` + again(`.map(x, x + x)`, 7) + `.map(x, x == x ? "a" : "b")[0]`,
		`[[1]]` + again(`.map(x, [x, x])`, 42) + `.map(x, x in [x] ? "a" : "b")[0]`,
		`[claims]` + again(`.map(x, claims.b.map(y, x))`, 4) + `.map(x, x == x ? "a" : "b")[0]`,
		`[claims]` + again(`.map(x, true, [x])`, 6) + `.map(x, x == x ? "a" : "b")[0]`,
		`[claims]` + again(`.map(x, optional.of(x))`, 6) + `.map(x, x == x ? "a" : "b")[0]`,
		`[{"a": 1}]` + again(`.map(x, {"a": x, "b": x})`, 7) + `[0]["a"]`,
		`[["a"]]` + again(`.map(x, x + x)`, 42) + `.map(x, x.join("a"))[0]`,
		`["aa"]` + again(`.map(x, x.replace("", x))`, 8) + `[0]`,
		`claims.b.map(x, claims.b.map(y, claims.b.map(z, x + y + z)[0])[0])[0]`,
		`claims.b.filter(x, claims.b.exists(y, x == y))[0]`,
		`claims` + again(`.a.optMap(x, x)`, 40),
		`"a".matches("((((a{10}){10}){10}){10}){10}") ? "a" : "b"`,
		`"a".matches("` + again("a", 300) + `") ? "a" : "b"`,
		again(`[`, 100) + again(`]`, 100), again(`(`, 2000) + again(`)`, 2000), again(`-`, 4000) + `1`, again(`!`, 4000) + `true`,
		`timestamp("2027-01-01T00:00:00Z").getHours("Europe/Berlin") == 1 ? "a" : "b"`, `duration("1h") > duration("1s") ? "a" : "b"`,
		`google.protobuf.Value{string_value: "x"}`,
	} {
		within(t, text, func() {
			if _, problems := mapping.New(mapping.Source{Subject: text}); len(problems) != 1 {
				t.Errorf("%.80s… is served", text)
			}
		})
	}
}

// What is admitted may still meet claims that a hostile provider made for it.
func TestClaimsCannotMakeAnExpressionRunLong(t *testing.T) {
	list := slices.Repeat([]any{strings.Repeat("a", 250)}, 3000)
	nested := any("x")
	for range 14 {
		nested = []any{nested, nested}
	}
	for _, text := range []string{
		`claims.list.filter(x, x.contains("b")).map(x, string(x) + "a")[0]`, `claims.list.map(x, x.replace("a", ""))[0]`,
		`claims.list.join("` + strings.Repeat("x", 30) + `")`, `claims.list == claims.list ? claims.list[0] : ""`,
		`[claims, claims] == [claims, claims] ? "" : ""`, `claims.nested == claims.nested ? "" : ""`, `claims.list.exists(x, x.matches("(a?){20}a{20}b")) ? "" : ""`,
		`claims.list[0].split("").join("aaaa")`,
	} {
		m, problems := mapping.New(mapping.Source{Subject: text})
		if problems != nil {
			t.Errorf("%s: %+v", text, problems)
			continue
		}
		within(t, text, func() {
			_, err := m.Apply(map[string]any{"list": list, "small": list[:500], "nested": nested})
			if err == nil {
				t.Errorf("%s has a subject", text)
			}
		})
	}
}

// All expressions share what may be spent: seven at the most of one are no way to more.
func TestTheCostOfAllExpressionsIsBoundedTogether(t *testing.T) {
	costly := `claims.list.filter(x, x.contains("b")).size() == 0`
	all := claimsOfLength(9000)
	if _, err := made(t, mapping.Source{Subject: `"me"`, Require: costly}).Apply(all); err != nil {
		t.Fatal(err)
	}
	s := mapping.Source{Subject: `"me"`, Require: costly, EmailVerified: costly, Email: costly + ` ? "a@b.example" : ""`, Name: costly + ` ? "a" : ""`}
	var why *mapping.Error
	if _, err := made(t, s).Apply(all); !errors.As(err, &why) {
		t.Errorf("together they cost more than is allowed: %v", err)
	}
}

func claimsOfLength(n int) map[string]any {
	return map[string]any{"list": slices.Repeat([]any{strings.Repeat("a", 30)}, n)}
}

// Whatever somebody declares is judged, soon, and what is served reads any claims.
func FuzzAnyMappingIsJudgedAndReadsAnyClaims(f *testing.F) {
	for _, of := range []string{"OIDC", "OAuth2", "GitHub", "SAML", "LDAP"} {
		s := mapping.Default(of)
		for _, text := range []string{s.Subject, s.Email, s.EmailVerified, s.Name, s.Groups} {
			f.Add(text, `{"sub":"a","email":"a@b","groups":["x"],"attributes":{"mail":["a@b"]}}`)
		}
	}
	f.Add(`claims.groups.filter(g, g.matches("^a")).map(g, string(g))`, `{"groups":["a",1,null,{"a":[]}]}`)
	f.Fuzz(func(t *testing.T, text, object string) {
		var c map[string]any
		if json.Unmarshal([]byte(object), &c) != nil {
			return
		}
		within(t, fmt.Sprintf("%q of %q", text, object), func() {
			for _, s := range []mapping.Source{{Subject: text}, {Subject: `"me"`, Groups: text, Require: text}, {Subject: `"me"`, Groups: text, Email: text}} {
				m, _ := mapping.New(s)
				if m == nil {
					continue
				}
				p, err := m.Apply(c)
				again, errAgain := m.Apply(c)
				if fmt.Sprint(p, err) != fmt.Sprint(again, errAgain) {
					t.Errorf("%q of %q is not the same twice", text, object)
				}
				if err == nil && (p.Subject == "" || len(p.Subject) > 255 || len(p.Groups) > 500) {
					t.Errorf("%q of %q: %+v", text, object, p)
				}
			}
		})
	})
}

func BenchmarkMapping(b *testing.B) {
	c := map[string]any{"sub": "00u1", "email": "ann@acme.com", "email_verified": true, "name": "Ann", "groups": slices.Repeat([]any{"eng-platform"}, 50)}
	m, _ := mapping.New(mapping.Source{Groups: `claims.groups.filter(g, g.startsWith("eng-"))`}.Or(mapping.Default("OIDC")))
	b.Run("New", func(b *testing.B) {
		for b.Loop() {
			mapping.New(mapping.Default("OIDC"))
		}
	})
	b.Run("Apply", func(b *testing.B) {
		for b.Loop() {
			if _, err := m.Apply(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
