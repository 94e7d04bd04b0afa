package manifest

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime"
)

// Following is this Set as the successor of another: an object that changed in a way that
// an API server would refuse, such as another slug, stays as it was, and a problem says so.
// The Set itself is not changed.
func (s *Set) Following(previous *Set) (*Set, []Problem) {
	next := *s
	next.objects = maps.Clone(s.objects)
	l := &loader{Set: &next}
	for _, id := range s.sorted() {
		now, before := s.objects[id], previous.objects[id]
		if decoders[id.Kind] == nil || before == nil {
			continue
		}
		known := len(l.problems)
		l.checkChange(now, before)
		if len(l.problems) > known {
			kept := *now
			kept.resource = before.resource
			next.objects[id] = &kept
		}
	}
	return &next, l.problems
}

func (l *loader) checkChange(now, before *object) {
	object, errNow := runtime.DefaultUnstructuredConverter.ToUnstructured(now.resource)
	old, errOld := runtime.DefaultUnstructuredConverter.ToUnstructured(before.resource)
	if errNow != nil || errOld != nil { // both were decoded from plain objects
		l.refuse(now, "", "cannot be compared with its previous version, which stays in force")
		return
	}
	errs := schemas()[now.id.Kind].evaluate(object, old)
	for _, e := range errs {
		e.Detail = explain(e) + "; the previous version stays in force"
		e.BadValue = nil
	}
	l.refuseAll(now, errs, explain)
}
