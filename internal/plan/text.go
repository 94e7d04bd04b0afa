package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// marks begin a line of the text.
var marks = map[Effect]string{Widened: "+", Narrowed: "-", Changed: "~"}

// Text writes the plan for a terminal: + is wider, - narrower, ~ neither.
func (p *Plan) Text(w io.Writer) error {
	var b strings.Builder
	for i, c := range p.Changes {
		if i == 0 || c.Organization != p.Changes[i-1].Organization {
			b.WriteString(heading(c, model.Plain) + "\n")
		}
		if i == 0 || c.Subject != p.Changes[i-1].Subject || c.Organization != p.Changes[i-1].Organization {
			fmt.Fprintf(&b, "  %s\n", c.Subject.words(model.Plain))
		}
		fmt.Fprintf(&b, "  %s %s\n", marks[c.Effect], c.words(model.Plain))
	}
	for i, v := range p.Verdicts {
		if i == 0 {
			b.WriteString("Verdicts\n")
		}
		fmt.Fprintf(&b, "  %s\n", v.words(model.Plain))
	}
	b.WriteString(p.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func heading(c Change, show func(string) string) string {
	if c.Organization == "" {
		return "The whole installation"
	}
	return "Organization " + show(c.Organization)
}

// summary is the plan in a sentence.
func (p *Plan) summary() string {
	if p.Outcome == OutcomeSame {
		return "Nothing changes."
	}
	text := fmt.Sprintf("%d widened (+), %d narrowed (-), %d changed (~)", p.Widened, p.Narrowed, p.Changed)
	worse := 0
	for _, v := range p.Verdicts {
		if v.Worse && !v.Weak {
			worse++
		}
	}
	if worse > 0 {
		text += fmt.Sprintf("; broken: %d new findings", worse)
		if worse == 1 {
			text = strings.TrimSuffix(text, "s")
		}
	}
	return text
}

func (s Subject) words(show func(string) string) string {
	text := s.Kind + " " + show(s.Name)
	if s.Namespace != "" {
		text = s.Kind + " " + show(s.Namespace+"/"+s.Name)
	}
	if s.ClientID != "" {
		text += " (" + show(s.ClientID) + ")"
	}
	return text
}

// words is the change without its subject.
func (c Change) words(show func(string) string) string {
	text := labels[c.Field]
	switch {
	case c.Before == c.After && c.Before != "": // of what it is
		text += " " + show(c.Before)
	case c.Before != "" && c.After != "":
		text += ": " + show(c.Before) + " → " + show(c.After)
	case c.Before != "":
		text += ": " + show(c.Before) + " no more"
	case c.After != "":
		text += ": " + show(c.After)
	}
	var parts []string
	for _, list := range []struct {
		verb  string
		items []Item
	}{{"gains ", c.Gains}, {"loses ", c.Loses}} {
		if len(list.items) > 0 {
			parts = append(parts, list.verb+together(list.items, show))
		}
	}
	if len(parts) == 0 {
		return text
	}
	return text + ": " + strings.Join(parts, "; ")
}

// together lists items; what is to be said of several in a row is said once.
func together(items []Item, show func(string) string) string {
	var groups, names []string
	for i, item := range items {
		names = append(names, show(item.Name))
		notes := item.notes(show)
		if i+1 < len(items) && items[i+1].notes(show) == notes {
			continue
		}
		group := strings.Join(names, ", ")
		if notes != "" {
			group += " (" + notes + ")"
		}
		groups, names = append(groups, group), nil
	}
	return strings.Join(groups, ", ")
}

// notes say how long, and by which Roles.
func (i Item) notes(show func(string) string) string {
	var notes []string
	switch {
	case i.Was != nil: // longer or shorter
		notes = append(notes, (&Bound{i.Until}).words()+", was "+i.Was.words())
	case i.Until != nil:
		notes = append(notes, (&Bound{i.Until}).words())
	}
	if len(i.Through) > 0 {
		var roles []string
		for _, r := range i.Through {
			roles = append(roles, show(r))
		}
		notes = append(notes, "through "+strings.Join(roles, " and "))
	}
	return strings.Join(notes, ", ")
}

func (b *Bound) words() string {
	if b.Until == nil {
		return "for ever"
	}
	return "until " + shownBound(*b.Until)
}

func (v Verdict) words(show func(string) string) string {
	verb := "is right now: "
	switch {
	case v.Reason == ReasonRefused:
		verb = "cannot be applied: "
	case v.Worse && v.Weak:
		verb = "is weaker: "
	case v.Weak:
		verb = "is no longer weak: "
	case v.Worse && v.Stops:
		verb = "is not served: "
	case v.Worse:
		verb = "is served in part: "
	}
	text := v.Object.words(show) + " " + verb
	if v.Field != "" {
		text += show(v.Field) + ": "
	}
	return text + model.Plain(v.Message)
}
