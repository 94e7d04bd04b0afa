package v1alpha1_test

import (
	"fmt"
	"os"
	"regexp"
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
	case v.Condition == v1alpha1.Reachable:
		return "False"
	case v.Reason == v1alpha1.ReasonExpired:
		return "False, ended"
	case v.Stalled:
		return "False, Stalled"
	}
	return "False, Reconciling"
}

// The second table says what every reason means, and which conditions come with it.
func TestConditionsPageExplainsEveryReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n| reason | because | sets |\n")
	if !found {
		t.Fatal("docs/conditions.md has no table of what reasons mean")
	}
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]{10,}) \\| ([^|]+) \\|$").FindAllStringSubmatch(table, -1)
	explained := map[string]string{}
	for _, row := range rows {
		explained[row[1]] = row[3]
	}
	for _, v := range v1alpha1.Verdicts {
		if got := explained[string(v.Reason)]; got != sets(v) {
			t.Errorf("the row of %s says that it sets %q, want %q", v.Reason, got, sets(v))
		}
	}
	if len(rows) != len(v1alpha1.Verdicts) {
		t.Errorf("%d rows for %d reasons", len(rows), len(v1alpha1.Verdicts))
	}
}

func sets(v v1alpha1.Verdict) string {
	switch {
	case v.Condition == v1alpha1.Reachable && !v.True:
		return v.Condition + " False"
	case !v.True && v.Reason == v1alpha1.ReasonExpired:
		return v.Condition + " False, Ready False"
	case !v.True && v.Stalled:
		return v.Condition + " False, Ready False, Stalled"
	case !v.True:
		return v.Condition + " False, Ready False, Reconciling"
	case v.Condition == v1alpha1.Programmed:
		return v.Condition + " True, Ready True"
	}
	return v.Condition + " True"
}
