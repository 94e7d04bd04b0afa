package compile

import (
	"time"

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
	// Suspended: served as declared, which is not at all.
	Suspended bool
	// NextBounds are the moments at which the verdict changes by itself (expiresAt,
	// notAfter), ascending.
	NextBounds []time.Time
	// ExpiresAt is the moment from which an ApiApplication is Expired; zero for never.
	ExpiresAt time.Time
	// Facts for status; the one of the object's kind is set.
	Organization *v1alpha1.OrganizationStatus
	Application  *v1alpha1.ApiApplicationStatus
	Role         *v1alpha1.RoleStatus
}

// Finding is a mistake in a declaration: what, where, and how to cure it.
type Finding struct {
	Reason  v1alpha1.Reason
	Field   string // path, "spec.scopes[2]"; empty for the object as a whole
	Message string // names the field, the value and the cure; never a secret
}
