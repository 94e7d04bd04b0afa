// Package mapping says what of the claims of a provider is what: which of them is the
// subject, the address, the name and the groups, and whom it lets in at all. Each is an
// expression in CEL over `claims`, which an administrator declares; what they leave out has
// a default by type of provider.
//
// An expression reads the claims and nothing else: there is no clock, no network and no
// state, and what it may cost is bounded twice, by estimate when it is declared and by
// counting when it runs. What it makes is refused where it is not what it should be, and
// never cut to fit: a subject that was cut could be somebody else's.
//
// Errors hold nothing of the claims. Start reading at New and Mapping.Apply; environment.go
// is what expressions may use.
package mapping

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/cel"
)

// Bounds of a mapping, and of what comes out of it.
const (
	SourceMost = 4096    // bytes of one expression
	CostMost   = 100_000 // units of CEL that all expressions together may cost

	SubjectMost = 255 // bytes
	EmailMost   = 254
	NameMost    = 128 // characters
	GroupsMost  = 500
	GroupMost   = 256 // bytes of the name of a group
	AMRMost     = 16
	methodMost  = 64 // bytes of the name of a method
)

// Source are the expressions; an empty one is not there.
type Source struct {
	Subject       string
	Email         string
	EmailVerified string
	Name          string
	Groups        string
	Require       string // false: the person is refused
	AMR           string
}

// Or takes what is not there from another source.
func (s Source) Or(other Source) Source {
	mine, theirs := s.fields(), other.fields()
	for i, f := range mine {
		if *f.text == "" {
			*f.text = *theirs[i].text
		}
	}
	return s
}

type sourceField struct {
	name string // as it is declared
	text *string
}

func (s *Source) fields() []sourceField {
	return []sourceField{
		{"subject", &s.Subject}, {"email", &s.Email}, {"emailVerified", &s.EmailVerified}, {"name", &s.Name},
		{"groups", &s.Groups}, {"require", &s.Require}, {"amr", &s.AMR},
	}
}

// Problem is why an expression is not served.
type Problem struct {
	Field   string // "emailVerified"
	Message string // with the cure
}

// Mapping is a Source that was checked. It is safe for concurrent use and never changes.
type Mapping struct {
	source   Source
	programs map[string]cel.Program // by field
}

// New checks the expressions. Without a problem the mapping is ready; with one it is nil.
func New(s Source) (*Mapping, []Problem) {
	m, problems := &Mapping{source: s, programs: map[string]cel.Program{}}, []Problem(nil)
	for _, f := range s.fields() {
		if *f.text == "" {
			if f.name == "subject" {
				problems = append(problems, Problem{f.name, "is missing; name a claim that is never given to another person, such as claims.sub"})
			}
			continue
		}
		program, wrong := program(f.name, *f.text)
		if wrong != "" {
			problems = append(problems, Problem{f.name, wrong})
			continue
		}
		m.programs[f.name] = program
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return m, nil
}

// Source is what the mapping was made of.
func (m *Mapping) Source() Source {
	if m == nil {
		return Source{}
	}
	return m.source
}

// Equal reports whether both say the same.
func (m *Mapping) Equal(other *Mapping) bool {
	return (m == nil) == (other == nil) && m.Source() == other.Source()
}

// Profile is what the claims say of a person.
type Profile struct {
	Subject       string // 1 to 255 bytes without control characters
	Email         string // one address, lower-cased; empty: they say none
	EmailVerified bool   // the provider has verified the address
	Name          string
	Groups        []string // sorted, each once
	// AMR is how the person proved it (RFC 8176), where the mapping says so; nil: it does not.
	AMR []string
}

// ErrRequired: `require` is false, so whoever has these claims is not let in.
var ErrRequired = errors.New("what the mapping requires is not so")

// Error is why claims cannot be read. It holds nothing of them.
type Error struct {
	Field string // of the Source: "email"; "claims" for all of them
	Why   string // one of the sentences of this package
}

func (e *Error) Error() string { return fmt.Sprintf("mapping.%s: %s", e.Field, e.Why) }

// Apply reads claims, in the types of package encoding/json. It does not change them.
// ErrRequired, *Error.
func (m *Mapping) Apply(claims map[string]any) (Profile, error) {
	plain, wrong := plainClaims(claims)
	if wrong != "" {
		return Profile{}, &Error{"claims", wrong}
	}
	e := &evaluation{mapping: m, input: map[string]any{"claims": plain}}
	if allowed := e.truth("require", true); e.err == nil && !allowed {
		return Profile{}, ErrRequired
	}
	p := Profile{
		Subject: e.subject(), Email: e.email(), EmailVerified: e.truth("emailVerified", false),
		Name: e.name(), Groups: e.groups(), AMR: e.methods(),
	}
	if e.err != nil {
		return Profile{}, e.err
	}
	if p.Email == "" {
		p.EmailVerified = false
	}
	return p, nil
}
