// Package plan says what another configuration would change: who gains or loses what in
// which organization, with every widening marked, and whose verdicts get worse.
//
// It compares what is served, never how it is written: two configurations of one meaning
// have no changes between them. It is pure: no clock, so that moments are compared as they
// are declared, and whoever could do something at any moment counts as able to. Objects are
// told apart by namespace and name, as their authors do.
//
// Start reading at Compare; snapshot.go is its table of contents. Each kind has a file,
// verdict.go is about findings, and text.go and markdown.go are for people to read.
package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// Effect says which way a change goes.
type Effect string

// Effects. What both gives and takes counts as Widened.
const (
	Widened  Effect = "widened"  // somebody may do what nobody in their place could before
	Narrowed Effect = "narrowed" // something ends, and nothing is given
	Changed  Effect = "changed"  // neither: a name, or what is suspended anyway
)

// Plan is what lies between two configurations. Its JSON is stable.
type Plan struct {
	Outcome  Outcome   `json:"outcome"`
	Widened  int       `json:"widened"`
	Narrowed int       `json:"narrowed"`
	Changed  int       `json:"changed"`
	Changes  []Change  `json:"changes"`
	Verdicts []Verdict `json:"verdicts"`
}

// Outcome is a plan in a word; the most serious that applies.
type Outcome string

// Outcomes, from the least to the most serious.
const (
	OutcomeSame    Outcome = "same"
	OutcomeChanged Outcome = "changed"
	OutcomeWidened Outcome = "widened"
	OutcomeBroken  Outcome = "broken" // the next configuration has a mistake that this one has not
)

// Change is one thing that is not as before.
type Change struct {
	Effect       Effect  `json:"effect"`
	Organization string  `json:"organization,omitempty"` // slug; empty: the installation
	Subject      Subject `json:"subject"`
	Field        string  `json:"field"` // one of Fields
	Gains        []Item  `json:"gains,omitempty"`
	Loses        []Item  `json:"loses,omitempty"`
	Before       string  `json:"before,omitempty"`
	After        string  `json:"after,omitempty"`
}

// Subject is who or what a change is about.
type Subject struct {
	Kind      string `json:"kind"` // Person, Group, or a kind of resource
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"` // of a Person the address; of a Group its name, and whose it is
	ClientID  string `json:"clientID,omitempty"`
}

// Kinds of subjects.
const (
	KindPerson       = "Person"
	KindGroup        = "Group"
	kindOrganization = "Organization"
	kindApplication  = "ApiApplication"
	kindRole         = "Role"
	kindProvider     = "AuthProvider"
	kindNamespace    = "Namespace"
)

// Item is something that is gained or lost.
type Item struct {
	Name    string     `json:"name"`
	Until   *time.Time `json:"until,omitempty"`   // nil: for ever
	Was     *Bound     `json:"was,omitempty"`     // nil: it was, or will be, not there at all
	Through []string   `json:"through,omitempty"` // the Roles that give it
}

// Bound is how long something was held before the change, or is held after it.
type Bound struct {
	Until *time.Time `json:"until,omitempty"` // nil: for ever
}

// State is one configuration: what is declared, and the verdict on it.
type State struct {
	Input  compile.Input
	Result compile.Result
}

// NewState has the input judged.
func NewState(in compile.Input) State { return State{Input: in, Result: compile.Compile(in)} }

// Compare says what changes when next takes the place of old.
func Compare(old, next State) Plan {
	p := Plan{
		Changes:  append([]Change{}, Snapshots(old.Result.Snapshot, next.Result.Snapshot)...),
		Verdicts: append([]Verdict{}, verdicts(old.Result.Reports, next.Result.Reports)...),
	}
	p.Changes = append(p.Changes, admissions(&old.Input, &next.Input)...)
	p.Changes = append(p.Changes, protection(&old.Input, &next.Input)...)
	p.Changes = append(p.Changes, outputs(old.Result, next.Result)...)
	p.Verdicts = append(p.Verdicts, deletions(old, next)...)
	slices.SortStableFunc(p.Changes, compareChanges)
	for _, c := range p.Changes {
		switch c.Effect {
		case Widened:
			p.Widened++
		case Narrowed:
			p.Narrowed++
		case Changed:
			p.Changed++
		}
	}
	p.Outcome = p.outcome()
	return p
}

func (p *Plan) outcome() Outcome {
	switch {
	case slices.ContainsFunc(p.Verdicts, func(v Verdict) bool { return v.Worse && !v.Weak }):
		return OutcomeBroken
	case p.Widened > 0:
		return OutcomeWidened
	case len(p.Changes) > 0 || len(p.Verdicts) > 0:
		return OutcomeChanged
	}
	return OutcomeSame
}

// compareChanges puts the installation first, then each organization with its own
// settings, its sign-in, people, Roles and applications.
func compareChanges(a, b Change) int {
	order := []string{kindNamespace, kindProvider, kindOrganization, KindPerson, KindGroup, kindRole, kindApplication}
	return cmp.Or(strings.Compare(a.Organization, b.Organization),
		cmp.Compare(slices.Index(order, a.Subject.Kind), slices.Index(order, b.Subject.Kind)),
		strings.Compare(a.Subject.Namespace, b.Subject.Namespace), strings.Compare(a.Subject.Name, b.Subject.Name))
}
