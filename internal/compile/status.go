package compile

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// Probe is what was seen when a provider was last asked, which Compile cannot know.
type Probe struct {
	Reachable *bool           // nil: it was not asked yet, or there is nobody to ask
	Reason    v1alpha1.Reason // Reachable, Unreachable, InvalidAnswer; anything else is Unreachable
	Message   string          // nothing of what the provider answered
	Issuer    string          // as it calls itself; empty: as declared
	// CertificateNotAfter is when the last certificate ends by which its answers are proven;
	// zero: there is none, or it is not known.
	CertificateNotAfter time.Time
}

// ProviderStatus is the whole status of an AuthProvider as of now.
func (r *Report) ProviderStatus(p Programmed, probe Probe, now time.Time) v1alpha1.AuthProviderStatus {
	var s v1alpha1.AuthProviderStatus
	if r.Provider != nil {
		s = *r.Provider
	}
	s.ObservedGeneration, s.Conditions = r.Generation, r.Conditions(p, now)
	if r.NotServed {
		return s // nobody asks it
	}
	s.Issuer = cmp.Or(clip(probe.Issuer, 1024), s.Issuer)
	s.CertificateNotAfter = timestamp(probe.CertificateNotAfter)
	if c := reachable(probe); c != nil {
		c.ObservedGeneration = r.Generation
		s.Conditions = append(s.Conditions, *c)
	}
	return s
}

// reachable is the condition of that name; nil where nobody was asked. Ready never depends
// on it: the last good settings stay in service.
func reachable(p Probe) *metav1.Condition {
	var c metav1.Condition
	switch {
	case p.Reachable == nil:
		return nil
	case *p.Reachable:
		c = state(v1alpha1.ReasonReachable, cmp.Or(p.Message, "The provider was asked and has answered."))
	case p.Reason == v1alpha1.ReasonInvalidAnswer:
		c = state(p.Reason, cmp.Or(p.Message, "The provider has answered with something else than its settings."))
	default:
		c = state(v1alpha1.ReasonUnreachable, cmp.Or(p.Message, "The provider did not answer."))
	}
	c.Message = clip(c.Message, 1024)
	return &c
}
