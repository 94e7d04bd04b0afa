package compile

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// Programmed is what became of publishing: the fact that Compile cannot know.
type Programmed struct {
	Reason  v1alpha1.Reason // Programmed, Pending or StorageError
	Message string
}

// Conditions returns the object's conditions without their times, as of now: the findings
// of the report merged with what became of publishing. It is what the status writer
// applies and what the command line shows.
func (r *Report) Conditions(p Programmed, now time.Time) []metav1.Condition {
	panic("not written yet")
}

var _ = v1alpha1.Ready
