package controllers

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func TestWhatChangedBetweenTwoResultsIsAllThatIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := map[string][2]*compile.Report{}
		for i := range 8 {
			id := model.ObjectID{Kind: fmt.Sprint("K", i%2), Namespace: "n", Name: fmt.Sprint("a", i/2), UID: fmt.Sprint(i)}
			pool[id.UID] = [2]*compile.Report{{Object: id}, {Object: id}}
		}
		draw := func(label string) (list []*compile.Report) {
			for uid, versions := range pool {
				if v := rapid.IntRange(0, 2).Draw(t, label+uid); v > 0 {
					list = append(list, versions[v-1])
				}
			}
			slices.SortFunc(list, compareObjects)
			return list
		}
		before, after := draw("before"), draw("after")
		known := map[model.ObjectID]*compile.Report{}
		for _, r := range before {
			known[r.Object] = r
		}
		changes(before, after, func(gone *compile.Report) {
			delete(known, gone.Object)
		}, func(fresh *compile.Report) {
			if known[fresh.Object] == fresh {
				t.Errorf("%v is not fresh", fresh.Object)
			}
			known[fresh.Object] = fresh
		})
		if len(known) != len(after) {
			t.Errorf("%d are known of %d", len(known), len(after))
		}
		for _, r := range after {
			if known[r.Object] != r {
				t.Errorf("%v is not known", r.Object)
			}
		}
	})
}
