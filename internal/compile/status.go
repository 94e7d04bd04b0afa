package compile

import (
	"time"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
)

// OrganizationStatus is the whole status of an Organization as of now; condition times
// are the writer's.
func (r *Report) OrganizationStatus(p Programmed, now time.Time) v1alpha1.OrganizationStatus {
	var s v1alpha1.OrganizationStatus
	if r.Organization != nil {
		s = *r.Organization
	}
	s.ObservedGeneration, s.Conditions = r.Generation, r.Conditions(p, now)
	return s
}

// ApplicationStatus is the whole status of an ApiApplication as of now.
func (r *Report) ApplicationStatus(p Programmed, now time.Time) v1alpha1.ApiApplicationStatus {
	var s v1alpha1.ApiApplicationStatus
	if r.Application != nil {
		s = *r.Application
	}
	s.ObservedGeneration, s.Conditions = r.Generation, r.Conditions(p, now)
	return s
}

// RoleStatus is the whole status of a Role as of now.
func (r *Report) RoleStatus(p Programmed, now time.Time) v1alpha1.RoleStatus {
	var s v1alpha1.RoleStatus
	if r.Role != nil {
		s = *r.Role
	}
	s.ObservedGeneration, s.Conditions = r.Generation, r.Conditions(p, now)
	return s
}

// ProviderStatus is the whole status of an AuthProvider as of now.
func (r *Report) ProviderStatus(p Programmed, now time.Time) v1alpha1.AuthProviderStatus {
	return v1alpha1.AuthProviderStatus{ObservedGeneration: r.Generation, Conditions: r.Conditions(p, now)}
}
