package controllers

import (
	"cmp"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// changes walks what two results of one Compiler say, each about every object and in order,
// and calls gone for the objects that only the first is about, and fresh for the reports that
// only the second has. A report that did not change is the same pointer in both, so that one
// change costs a look at a list and not a map of the world.
func changes(before, after []*compile.Report, gone, fresh func(*compile.Report)) {
	for len(before) > 0 || len(after) > 0 {
		order := 0
		switch {
		case len(before) == 0:
			order = 1
		case len(after) == 0:
			order = -1
		case before[0] != after[0]:
			order = compareObjects(before[0], after[0])
		default:
			before, after = before[1:], after[1:]
			continue
		}
		if order < 0 {
			gone(before[0])
		} else {
			fresh(after[0])
		}
		if order <= 0 {
			before = before[1:]
		}
		if order >= 0 {
			after = after[1:]
		}
	}
}

// compareObjects is the order of compile.Result.Reports.
func compareObjects(a, b *compile.Report) int {
	return cmp.Or(strings.Compare(a.Object.Kind, b.Object.Kind), strings.Compare(a.Object.Namespace, b.Object.Namespace),
		strings.Compare(a.Object.Name, b.Object.Name), strings.Compare(a.Object.UID, b.Object.UID))
}
