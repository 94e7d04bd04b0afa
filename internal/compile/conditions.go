package compile

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// Programmed is what became of publishing: the fact that Compile cannot know.
type Programmed struct {
	Reason  v1alpha1.Reason // Programmed, Pending or StorageError
	Message string
}

// maxShown bounds the findings that one message lists: a status is read by people.
const maxShown = 8

// Conditions returns the object's conditions without their times, as of now: the findings
// of the report merged with what became of publishing. It is what the status writer
// applies and what the command line shows.
func (r *Report) Conditions(p Programmed, now time.Time) []metav1.Condition {
	accepted := r.judged(v1alpha1.ReasonAccepted, "The declaration is valid and admitted.")
	resolved := r.judged(v1alpha1.ReasonResolved, "Everything it refers to was found.")
	programmed := r.programmed(p, now)
	conditions := []metav1.Condition{accepted, resolved, programmed, r.ready(accepted, resolved, programmed)}
	if abnormal := kstatus(conditions[3]); abnormal != nil {
		conditions = append(conditions, *abnormal)
	}
	if len(r.Weak) > 0 && r.serves(now) {
		conditions = append(conditions, state(r.Weak[0].Reason, list(r.Weak, 0)))
	}
	for i := range conditions {
		conditions[i].ObservedGeneration = r.Generation
	}
	return conditions
}

// judged is the condition that the good reason belongs to, by the report's findings.
func (r *Report) judged(good v1alpha1.Reason, well string) metav1.Condition {
	condition := verdict(good).Condition
	var found []Finding
	for _, f := range r.Findings {
		if verdict(f.Reason).Condition == condition {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return state(good, well)
	}
	return state(found[0].Reason, list(found, 0))
}

// programmed says what is served. Of an object that is not served or expired nothing is,
// so that goes before what is left out of one that is.
func (r *Report) programmed(p Programmed, now time.Time) metav1.Condition {
	switch {
	case r.NotServed:
		for _, f := range r.Findings {
			if verdict(f.Reason).Condition == v1alpha1.Programmed {
				return state(f.Reason, f.Message)
			}
		}
		return state(v1alpha1.ReasonNotServed, "Nothing of it is served until this is cured: "+fields(r.Findings, r.Unlisted)+".")
	case !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		return state(v1alpha1.ReasonExpired, "spec.expiresAt: "+r.ExpiresAt.Format(time.RFC3339Nano)+" has passed; nothing of it is served.")
	case len(r.Findings) > 0:
		return state(v1alpha1.ReasonPartiallyProgrammed, "Served, except: "+fields(r.Findings, r.Unlisted)+".")
	case p.Reason != v1alpha1.ReasonProgrammed:
		return state(p.Reason, p.Message)
	case r.Suspended:
		return state(v1alpha1.ReasonSuspended, "spec.suspend: true; it is stopped until that is lifted.")
	default:
		return state(v1alpha1.ReasonProgrammed, "The server serves it.")
	}
}

// serves reports whether anything of the object can be in service now.
func (r *Report) serves(now time.Time) bool {
	expired := !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)
	return !r.NotServed && !r.Suspended && !expired
}

// ready is True when all of its causes are, else it copies the first that is not.
func (r *Report) ready(causes ...metav1.Condition) metav1.Condition {
	last := causes[len(causes)-1]
	ready := metav1.Condition{Type: v1alpha1.Ready, Status: metav1.ConditionTrue, Reason: last.Reason, Message: last.Message}
	for _, c := range causes {
		if c.Status == metav1.ConditionFalse {
			ready.Status, ready.Reason, ready.Message = c.Status, c.Reason, c.Message
			if verdict(v1alpha1.Reason(c.Reason)).Condition != v1alpha1.Programmed {
				ready.Message = list(r.Findings, r.Unlisted)
			}
			break
		}
	}
	return ready
}

// kstatus says in the words of kstatus who can cure what is not Ready; nil if nothing is
// wrong, or if time made it so (Expired).
func kstatus(ready metav1.Condition) *metav1.Condition {
	if ready.Status == metav1.ConditionTrue || ready.Reason == string(v1alpha1.ReasonExpired) {
		return nil
	}
	abnormal := metav1.Condition{Type: v1alpha1.Reconciling, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message}
	if verdict(v1alpha1.Reason(ready.Reason)).Stalled {
		abnormal.Type = v1alpha1.Stalled
	}
	return &abnormal
}

func state(reason v1alpha1.Reason, message string) metav1.Condition {
	v := verdict(reason)
	c := metav1.Condition{Type: v.Condition, Status: metav1.ConditionFalse, Reason: string(reason), Message: message}
	if v.Condition == "" { // a reason that nobody declared belongs to publishing
		c.Type = v1alpha1.Programmed
	}
	if v.True {
		c.Status = metav1.ConditionTrue
	}
	return c
}

// list joins the messages of the first findings; each is bounded, so the whole is.
func list(findings []Finding, unlisted int) string {
	return first(findings, unlisted, "; ", func(f Finding) string { return f.Message })
}

// fields joins the places of the first findings.
func fields(findings []Finding, unlisted int) string {
	return first(findings, unlisted, ", ", func(f Finding) string {
		if f.Field == "" {
			return f.Message
		}
		return f.Field
	})
}

func first(findings []Finding, unlisted int, separator string, show func(Finding) string) string {
	var shown []string
	for _, f := range findings[:min(len(findings), maxShown)] {
		shown = append(shown, show(f))
	}
	if more := len(findings) + unlisted - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, separator)
}
