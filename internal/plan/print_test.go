package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/plan"
)

const hostile = "x\x1b[2J\n# a heading @team [link](https://evil.example) `code` <img src=x>"

// printed is a plan in which every word is its author's.
func printed() *plan.Plan {
	p := &plan.Plan{Outcome: plan.OutcomeWidened, Widened: 1}
	p.Changes = []plan.Change{{
		Effect: plan.Widened, Organization: hostile, Subject: plan.Subject{Kind: "ApiApplication", Namespace: hostile, Name: hostile, ClientID: hostile},
		Field: plan.FieldRedirects, Before: hostile, After: hostile + "!", Gains: []plan.Item{{Name: hostile, Through: []string{hostile}}},
	}}
	p.Refuse(plan.Subject{Kind: "Role", Name: hostile}, hostile, hostile)
	return p
}

// No word of an author moves a terminal's cursor, begins a line, or is anything but code
// in a comment.
func TestNothingThatAnAuthorWroteSteersAReader(t *testing.T) {
	p := printed()
	for form, write := range map[string]func(*strings.Builder) error{
		"text":     func(b *strings.Builder) error { return p.Text(b) },
		"markdown": func(b *strings.Builder) error { return p.Markdown(b) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(b.String(), 0x1b) || strings.Contains(b.String(), "\n# a heading") {
			t.Errorf("%s: %q", form, b.String())
		}
		if form == "text" {
			continue
		}
		// The word holds single backticks, so each of its spans has two.
		for _, line := range strings.Split(b.String(), "\n") {
			for i, part := range strings.Split(line, "``") {
				if i%2 == 0 && (strings.Contains(part, "@") || strings.Contains(part, "](") || strings.Contains(part, "<")) {
					t.Errorf("outside of code: %q", part)
				}
			}
		}
	}
}

func TestAPlanOfAnySizeFitsIntoAComment(t *testing.T) {
	p := &plan.Plan{Outcome: plan.OutcomeWidened}
	for i := range 5000 {
		p.Changes = append(p.Changes, plan.Change{
			Effect: plan.Widened, Organization: "acme", Subject: plan.Subject{Kind: plan.KindPerson, Name: fmt.Sprintf("person-%d@acme.com", i)},
			Field: plan.FieldScopes, Gains: []plan.Item{{Name: "org:admin"}},
		})
	}
	var b strings.Builder
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 65_536 || !strings.Contains(b.String(), " more lines; see the text of `gatehouse plan`.") {
		t.Errorf("%d bytes, which end in %q", b.Len(), b.String()[b.Len()-100:])
	}
}
