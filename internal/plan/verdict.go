package plan

import (
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Verdict is a finding that one of the two configurations has, and the other has not.
type Verdict struct {
	Worse   bool    `json:"worse"`          // the next one has it
	Weak    bool    `json:"weak,omitempty"` // it is served, and weakens
	Stops   bool    `json:"stops"`          // because of it nothing of the object is served
	Object  Subject `json:"object"`
	Field   string  `json:"field,omitempty"`
	Reason  string  `json:"reason"`
	Message string  `json:"message"`
}

// verdicts compares what is wrong. Only objects of the next configuration count: what is
// gone needs no cure.
func verdicts(old, next []*compile.Report) (changes []Verdict) {
	before := map[model.ObjectID]*compile.Report{}
	for _, r := range old {
		before[anyUID(r.Object)] = r
	}
	none := &compile.Report{}
	for _, r := range next {
		was := before[anyUID(r.Object)]
		if was == nil {
			was = none
		}
		changes = append(changes, more(r, r.Findings, was.Findings, Verdict{Worse: true, Stops: r.NotServed})...)
		changes = append(changes, more(r, r.Weak, was.Weak, Verdict{Worse: true, Weak: true})...)
		changes = append(changes, more(r, was.Findings, r.Findings, Verdict{Stops: was.NotServed})...)
		changes = append(changes, more(r, was.Weak, r.Weak, Verdict{Weak: true})...)
	}
	return changes
}

// Refuse adds that an API server would not put the object in the place of the one before.
func (p *Plan) Refuse(object Subject, field, message string) {
	p.Verdicts = append(p.Verdicts, Verdict{Worse: true, Object: object, Field: field, Reason: ReasonRefused, Message: message})
	p.Outcome = p.outcome()
}

// ReasonRefused is the reason of a Verdict that no compilation finds.
const ReasonRefused = "Refused"

// more are the findings of one list that the other has not: another place in a list, or
// other words for the same mistake, are no news.
func more(r *compile.Report, list, other []compile.Finding, as Verdict) (verdicts []Verdict) {
	for _, f := range list {
		if slices.ContainsFunc(other, func(o compile.Finding) bool { return o.Reason == f.Reason && sameWords(o, f) }) {
			continue
		}
		v := as
		v.Object = Subject{Kind: r.Object.Kind, Namespace: r.Object.Namespace, Name: r.Object.Name}
		v.Field, v.Reason, v.Message = f.Field, string(f.Reason), message(f)
		verdicts = append(verdicts, v)
	}
	return verdicts
}

func sameWords(a, b compile.Finding) bool { return message(a) == message(b) }

// message is the finding without the field, which is said besides.
func message(f compile.Finding) string { return strings.TrimPrefix(f.Message, f.Field+": ") }

func anyUID(id model.ObjectID) model.ObjectID {
	id.UID = ""
	return id
}
