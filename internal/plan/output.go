package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// outputs notes where the client secrets of applications are written to otherwise, and when
// they are replaced: no snapshot shows it. One that is not served, or new, is not compared.
func outputs(old, next compile.Result) (changes []Change) {
	before, after := wantedOf(old), wantedOf(next)
	for o := range next.Snapshot.Organizations() {
		for a := range o.Applications() {
			at := nameOf(a.Namespace, a.Name)
			was, is := before[at], after[at]
			if was == nil || is == nil {
				continue
			}
			r := record{into: &changes, organization: o.Slug, subject: applicationSubject(a)}
			r.output(at.namespace, was, is)
			if was.Made && is.Made {
				r.rotation(was, is)
			}
		}
	}
	return changes
}

func wantedOf(result compile.Result) map[name]*compile.Wanted {
	byName := map[name]*compile.Wanted{}
	for _, r := range result.Reports {
		if r.Object.Kind == kindApplication && r.Output != nil {
			byName[nameOf(r.Object.Namespace, r.Object.Name)] = r.Output
		}
	}
	return byName
}

// output compares the Secret. Who may read it is said by its name, and others copy it by its
// labels and annotations, so more of either is wider while the client secret is in it.
func (r record) output(namespace string, old, next *compile.Wanted) {
	was, is := lines(namespace, old), lines(namespace, next)
	gains, loses := without(is, was), without(was, is)
	effect := Narrowed
	switch {
	case len(gains)+len(loses) == 0:
		return
	case next.SecretKey != "" && slices.ContainsFunc(gains, leads):
		effect = Widened
	case len(gains) > 0 || old.SecretKey == "":
		effect = Changed
	}
	r.add(Change{Effect: effect, Field: FieldOutput, Gains: gains, Loses: loses})
}

// lines are what others can tell of a Secret, without what is in it.
func lines(namespace string, w *compile.Wanted) (all []string) {
	if w.Name == "" {
		return nil
	}
	all = append(all, fmt.Sprintf("Secret %s/%s", namespace, w.Name))
	for _, key := range slices.Sorted(maps.Keys(w.Labels)) {
		all = append(all, fmt.Sprintf("label %s: %q", key, w.Labels[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Annotations)) {
		all = append(all, fmt.Sprintf("annotation %s: %q", key, w.Annotations[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(w.Data)) {
		all = append(all, "key "+key)
	}
	if w.SecretKey != "" {
		all = append(all, fmt.Sprintf("key %s with the client secret", w.SecretKey))
	}
	return all
}

// leads reports whether somebody comes to the Secret by what is said of it: to another key
// comes only who may read it anyway.
func leads(line Item) bool { return !strings.HasPrefix(line.Name, "key ") }

// rotation: a client secret that works longer is wider. Another generation replaces it now.
func (r record) rotation(old, next *compile.Wanted) {
	effect := Narrowed
	if next.Plan.Period == 0 || old.Plan.Period != 0 && next.Plan.Period > old.Plan.Period {
		effect = Widened
	}
	r.value(FieldRotation, every(old), every(next), effect)
	r.life(FieldOverlap, old.Plan.Overlap, next.Plan.Overlap)
	r.value(FieldGeneration, fmt.Sprint(old.Plan.Generation), fmt.Sprint(next.Plan.Generation), Changed)
}

func every(w *compile.Wanted) string {
	if w.Plan.Period == 0 {
		return "never by its age"
	}
	return "every " + written(w.Plan.Period)
}
