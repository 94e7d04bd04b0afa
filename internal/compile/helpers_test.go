package compile_test

import (
	"slices"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// descriptions are what is served of every organization, in a fixed order.
func descriptions(snapshot *model.Snapshot) []string {
	var texts []string
	for o := range snapshot.Organizations() {
		texts = append(texts, o.Describe())
	}
	slices.Sort(texts)
	return texts
}
