package plan

import (
	"slices"
	"strings"
	"time"
)

// record writes down the changes of one subject.
type record struct {
	into         *[]Change
	organization string
	subject      Subject
	// quiet: nothing of the subject is served afterwards, so that nothing widens.
	quiet bool
}

func (r record) add(c Change) {
	if r.quiet {
		c.Effect = Changed
	}
	c.Organization, c.Subject = r.organization, r.subject
	*r.into = append(*r.into, c)
}

// value notes a value that is another one now.
func (r record) value(field, before, after string, effect Effect) {
	if before != after {
		r.add(Change{Effect: effect, Field: field, Before: before, After: after})
	}
}

// life notes a length of time; a longer one is wider.
func (r record) life(field string, before, after time.Duration) {
	effect := Narrowed
	if after > before {
		effect = Widened
	}
	r.value(field, written(before), written(after), effect)
}

// allows notes a permission that is given or taken back.
func (r record) allows(field string, before, after bool, off, on string) {
	show := map[bool]string{false: off, true: on}
	effect := Narrowed
	if after {
		effect = Widened
	}
	r.value(field, show[before], show[after], effect)
}

// set notes what a set has more, which is wider, and what it has less. Order means nothing.
func (r record) set(field string, before, after []string) {
	r.items(field, without(after, before), without(before, after))
}

func (r record) items(field string, gains, loses []Item) {
	switch {
	case len(gains) > 0:
		r.add(Change{Effect: Widened, Field: field, Gains: gains, Loses: loses})
	case len(loses) > 0:
		r.add(Change{Effect: Narrowed, Field: field, Loses: loses})
	}
}

// until notes a bound; a later one is wider, and none is the latest.
func (r record) until(field string, before, after time.Time) {
	effect := Narrowed
	if later(after, before) {
		effect = Widened
	}
	r.value(field, shownBound(before), shownBound(after), effect)
}

func without(list, other []string) (left []Item) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(list))) {
		if !slices.Contains(other, name) {
			left = append(left, Item{Name: name})
		}
	}
	return left
}

// later reports whether bound a ends after bound b; zero never ends.
func later(a, b time.Time) bool {
	return !b.IsZero() && (a.IsZero() || a.After(b))
}

func shownBound(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// written writes a length of time as a declaration would: 1h30m, not 1h30m0s.
func written(d time.Duration) string {
	text := d.String()
	if d == 0 {
		return ""
	}
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
