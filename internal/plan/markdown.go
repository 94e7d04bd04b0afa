package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// A comment on a pull request has room for this much; the rest is counted.
const markdownBytes = 60_000

// Markdown writes the plan for a comment on a pull request: what breaks first, then what
// widens. Everything that an author wrote is code, so that it cannot be a link, a mention
// or a heading.
func (p *Plan) Markdown(w io.Writer) error {
	m := &markdown{}
	fmt.Fprintf(m, "### Gatehouse: %s\n", p.title())
	m.verdicts("What breaks", p, func(v Verdict) bool { return v.Worse && !v.Weak })
	m.changes("Who may do more than before", p, Widened)
	m.verdicts("What weakens", p, func(v Verdict) bool { return v.Worse && v.Weak })
	m.changes("What ends", p, Narrowed)
	m.changes("What else changes", p, Changed)
	m.verdicts("What is cured", p, func(v Verdict) bool { return !v.Worse })
	if m.left > 0 {
		fmt.Fprintf(&m.Builder, "\n… and %d more lines; see the text of `gatehouse plan`.\n", m.left)
	}
	_, err := io.WriteString(w, m.String())
	return err
}

func (p *Plan) title() string {
	if p.Outcome == OutcomeSame {
		return "nothing changes"
	}
	title := fmt.Sprintf("%d widened, %d narrowed, %d changed", p.Widened, p.Narrowed, p.Changed)
	switch p.Outcome {
	case OutcomeBroken:
		title = "broken; " + title
	case OutcomeWidened:
		title = "**somebody may do more** · " + title
	case OutcomeSame, OutcomeChanged:
	}
	return title
}

// markdown is text that stops growing where a comment is full.
type markdown struct {
	strings.Builder
	left int // lines that found no room
}

func (m *markdown) line(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	if m.Len()+len(text) > markdownBytes {
		m.left++
		return
	}
	m.WriteString(text)
}

func (m *markdown) changes(title string, p *Plan, effect Effect) {
	last := "\x00"
	for _, c := range p.Changes {
		if c.Effect != effect {
			continue
		}
		if last == "\x00" {
			m.line("\n#### %s\n", title)
		}
		if c.Organization != last {
			m.line("\n%s\n\n", heading(c, code))
			last = c.Organization
		}
		m.line("- %s: %s\n", c.Subject.words(code), c.words(code))
	}
}

func (m *markdown) verdicts(title string, p *Plan, which func(Verdict) bool) {
	any := false
	for _, v := range p.Verdicts {
		if !which(v) {
			continue
		}
		if !any {
			m.line("\n#### %s\n\n", title)
			any = true
		}
		message := v.Message
		v.Message = ""
		m.line("- %s%s\n", v.words(code), code(message))
	}
}

// code is text that Markdown shows as it is, on one line.
func code(text string) string {
	text = model.Plain(text)
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 || strings.TrimSpace(text) != text || text == "" {
		return fence + " " + text + " " + fence
	}
	return fence + text + fence
}
