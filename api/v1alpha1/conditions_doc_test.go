package v1alpha1_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// The page is for people; its rows are the table that the code goes by.
func TestConditionsPageHasEveryReasonWithItsCure(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range v1alpha1.Verdicts {
		if v.Cure == "" {
			continue
		}
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", v.Reason, v.Condition, statusOf(v), v.Cure)
		if !strings.Contains(string(page), row+"\n") {
			t.Errorf("docs/conditions.md lacks the row\n%s", row)
		}
	}
}

func statusOf(v v1alpha1.Verdict) string {
	switch {
	case v.True:
		return "True: declared so"
	case v.Reason == v1alpha1.ReasonExpired:
		return "False, ended"
	case v.Stalled:
		return "False, Stalled"
	}
	return "False, Reconciling"
}
