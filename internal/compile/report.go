package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Result is the verdict on an Input.
type Result struct {
	Snapshot *model.Snapshot
	// Reports has one report for every object of the Input, by kind, namespace, name and
	// UID in ascending order. A report that did not change since the Compiler's last
	// result is the same pointer.
	Reports []*Report
}

// Report is the verdict on one object. It is never changed after it was made.
type Report struct {
	Object     model.ObjectID
	Generation int64
	Findings   []Finding // in order of precedence, then as found
	// Unlisted is how many more mistakes there are than Findings lists; all of them are parts
	// that are left out.
	Unlisted int
	// NotServed: because of its findings, nothing of the object is served. Without it the
	// object is served, short of what the findings name.
	NotServed bool
	// Weak are settings that are served and weaken; they subtract nothing.
	Weak []Finding
	// Suspended: served as declared, which is not at all.
	Suspended bool
	// NextBounds are the moments at which the verdict changes by itself (expiresAt,
	// notAfter), ascending.
	NextBounds []time.Time
	// ExpiresAt is the moment from which an ApiApplication is Expired; zero for never.
	ExpiresAt time.Time
	// Output is the Secret that an accepted ApiApplication's client secret is written to;
	// nil says nothing about one, not even that there should be none.
	Output *Wanted
	// Facts for status; the one of the object's kind is set. Conditions are not in them:
	// see status.go.
	Organization *v1alpha1.OrganizationStatus
	Application  *v1alpha1.ApiApplicationStatus
	Role         *v1alpha1.RoleStatus
	Provider     *v1alpha1.AuthProviderStatus
}

// Finding is a mistake in a declaration: what, where, and how to cure it.
type Finding struct {
	Reason  v1alpha1.Reason
	Field   string // path, "spec.scopes[2]"; empty for the object as a whole
	Message string // names the field, the value and the cure; never a secret
}

// Kinds, as they are written in manifests and in model.ObjectID.
const (
	kindOrganization = "Organization"
	kindApplication  = "ApiApplication"
	kindRole         = "Role"
	kindProvider     = "AuthProvider"
)

func newReport(kind string, o metav1.Object) *Report {
	return &Report{
		Object:     model.ObjectID{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID())},
		Generation: o.GetGeneration(),
	}
}

// maxListed bounds the parts of one object that are listed as left out: what one tenant
// writes must not cost the others their memory. People correct them by the dozen.
const maxListed = 256

// find records a mistake in a part that is left out; the object is served without it.
func (r *Report) find(reason v1alpha1.Reason, field, format string, args ...any) {
	if len(r.Findings) >= maxListed {
		r.Unlisted++
		return
	}
	r.add(reason, field, format, args...)
}

func (r *Report) add(reason v1alpha1.Reason, field, format string, args ...any) {
	message := clip(fmt.Sprintf(format, args...), 1024)
	if field != "" {
		message = field + ": " + message
	}
	r.Findings = append(r.Findings, Finding{reason, field, message})
}

// weaken records a setting that is served though it weakens.
func (r *Report) weaken(reason v1alpha1.Reason, field, format string, args ...any) {
	r.Weak = append(r.Weak, Finding{reason, field, field + ": " + clip(fmt.Sprintf(format, args...), 1024)})
}

// refuse records a mistake because of which the object is not served at all.
func (r *Report) refuse(reason v1alpha1.Reason, field, format string, args ...any) {
	r.NotServed = true
	r.add(reason, field, format, args...)
}

// bound notes a moment at which the verdict changes by itself.
func (r *Report) bound(at time.Time) {
	i, found := slices.BinarySearchFunc(r.NextBounds, at, time.Time.Compare)
	if !found {
		r.NextBounds = slices.Insert(r.NextBounds, i, at)
	}
}

// close puts the findings in order; nothing is added afterwards.
func (r *Report) close() *Report {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Compare(precedence(a.Reason), precedence(b.Reason))
	})
	return r
}

// accepted reports whether others may refer to the object: it is served, or only waits
// for what it refers to itself.
func (r *Report) accepted() bool {
	return !r.NotServed || !slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return verdict(f.Reason).Condition == v1alpha1.Accepted
	})
}

func compareReports(a, b *Report) int {
	if c := compareObjects(a.Object, b.Object); c != 0 {
		return c
	}
	// No cluster has two objects of one UID; their order must not depend on the Input's.
	return cmp.Or(cmp.Compare(a.Generation, b.Generation), cmp.Compare(len(a.Findings), len(b.Findings)),
		strings.Compare(fmt.Sprint(a.Findings), fmt.Sprint(b.Findings)),
		strings.Compare(fmt.Sprint(a.Weak, a.Suspended, a.NextBounds), fmt.Sprint(b.Weak, b.Suspended, b.NextBounds)))
}

func compareObjects(a, b model.ObjectID) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name), strings.Compare(a.UID, b.UID))
}

func precedence(reason v1alpha1.Reason) int {
	return slices.IndexFunc(v1alpha1.Verdicts, func(v v1alpha1.Verdict) bool { return v.Reason == reason })
}

func verdict(reason v1alpha1.Reason) v1alpha1.Verdict {
	if i := precedence(reason); i >= 0 {
		return v1alpha1.Verdicts[i]
	}
	return v1alpha1.Verdict{Reason: reason}
}

// quote shows a declared value in a message; a value of any length makes a short one.
func quote[T ~string](value T) string { return fmt.Sprintf("%q", clip(string(value), 128)) }

// clip cuts text to at most limit bytes, between characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
