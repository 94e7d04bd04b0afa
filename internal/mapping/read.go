package mapping

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// The sentences of an Error.
const (
	whyFails     = "fails on these claims: one that it names is missing or of another type, or it costs too much; write claims.?x for one that may be missing"
	whyText      = "is not a text"
	whyTruth     = "is not true or false"
	whyList      = "is not a list of texts"
	whyNone      = "is missing"
	whySubject   = "must have 1 to 255 bytes and no control characters"
	whyEmail     = "is not one address of at most 254 printable ASCII characters"
	whyName      = "must have at most 128 characters and none that breaks or turns the text around it"
	whyGroups    = "are more than 500, or one of them is empty, longer than 256 bytes or has a control character"
	whyMethods   = "are more than 16, or one of them is no name of a method"
	whyTooLarge  = "are too many or too deep to be read"
	whyNotClaims = "hold something that is not of JSON"
)

// evaluation is one Apply: its first error is what counts.
type evaluation struct {
	mapping *Mapping
	input   map[string]any
	cost    uint64 // of all expressions so far
	err     error
}

func (e *evaluation) refuse(field, why string) {
	if e.err == nil {
		e.err = &Error{field, why}
	}
}

// value is what an expression makes; nil where there is no expression, where what it names
// may be missing and is, and after an error.
func (e *evaluation) value(field string) ref.Val {
	program := e.mapping.programs[field]
	if program == nil || e.err != nil {
		return nil
	}
	v, details, err := program.Eval(e.input)
	if details != nil && details.ActualCost() != nil {
		e.cost += *details.ActualCost()
	}
	if err != nil || types.IsUnknownOrError(v) || e.cost > CostMost {
		e.refuse(field, whyFails)
		return nil
	}
	if o, optional := v.(*types.Optional); optional {
		if !o.HasValue() {
			return nil
		}
		v = o.GetValue()
	}
	if v == types.NullValue {
		return nil
	}
	return v
}

func (e *evaluation) text(field string) string {
	v := e.value(field)
	if v == nil {
		return ""
	}
	s, ok := v.(types.String)
	if !ok {
		e.refuse(field, whyText)
	}
	return string(s)
}

func (e *evaluation) truth(field string, otherwise bool) bool {
	v := e.value(field)
	switch b, ok := v.(types.Bool); {
	case e.mapping.programs[field] == nil:
		return otherwise
	case v == nil: // what is missing is never true
		return false
	case !ok:
		e.refuse(field, whyTruth)
		return false
	default:
		return bool(b)
	}
}

func (e *evaluation) texts(field string, most int, admits func(string) bool, why string) []string {
	v := e.value(field)
	if v == nil {
		return nil
	}
	list, ok := v.(traits.Lister)
	if !ok {
		e.refuse(field, whyList)
		return nil
	}
	all := []string{}
	for i := list.Iterator(); i.HasNext() == types.True; {
		s, ok := i.Next().(types.String)
		switch {
		case !ok:
			e.refuse(field, whyList)
			return nil
		case len(all) == most || !admits(string(s)):
			e.refuse(field, why)
			return nil
		}
		all = append(all, string(s))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (e *evaluation) subject() string {
	s := e.text("subject")
	switch {
	case e.err != nil:
	case s == "":
		e.refuse("subject", whyNone)
	case len(s) > SubjectMost || strings.ContainsFunc(s, unicode.IsControl):
		e.refuse("subject", whySubject)
	}
	return s
}

// email is one address, in the characters that all systems compare alike: folding the case
// of others makes different addresses equal.
func (e *evaluation) email() string {
	s := e.text("email")
	if s != "" && !address(s) {
		e.refuse("email", whyEmail)
	}
	return strings.ToLower(s)
}

func address(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || local == "" || domain == "" || strings.Contains(domain, "@") || len(s) > EmailMost {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`,;<>"\()[]`, c) })
}

func (e *evaluation) name() string {
	s := e.text("name")
	if utf8.RuneCountInString(s) > NameMost || strings.ContainsFunc(s, steersText) {
		e.refuse("name", whyName)
	}
	return s
}

// steersText: control characters, line and paragraph separators, and those that embed,
// override or isolate a direction of writing (Unicode Standard Annex 9).
func steersText(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Zl, unicode.Zp) || c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069
}

func (e *evaluation) groups() []string {
	return e.texts("groups", GroupsMost, func(s string) bool {
		return s != "" && len(s) <= GroupMost && !strings.ContainsFunc(s, unicode.IsControl)
	}, whyGroups)
}

// methods are names as RFC 8176 section 2 has them.
func (e *evaluation) methods() []string {
	return e.texts("amr", AMRMost, func(s string) bool {
		return s != "" && len(s) <= methodMost && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
	}, whyMethods)
}
