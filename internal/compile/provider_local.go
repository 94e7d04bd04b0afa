package compile

import (
	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Defaults and bounds of the Local provider, in characters. NIST SP 800-63B section
// 3.1.1.2 asks for at least 8 where a password is one factor of several.
const (
	passwordLengthDefault = 12
	passwordLengthLeast   = 8
	passwordLengthMost    = 64
)

func localPolicy(l *v1alpha1.LocalProvider, r *Report) *model.LocalPolicy {
	policy := &model.LocalPolicy{
		MinLength: passwordLengthDefault, CheckCommon: true, Registration: model.RegistrationClosed, ResetEnabled: true,
	}
	if l == nil {
		return policy
	}
	if l.CheckCommon != nil {
		policy.CheckCommon = *l.CheckCommon
	}
	if l.ResetEnabled != nil {
		policy.ResetEnabled = *l.ResetEnabled
	}
	switch l.Registration {
	case "":
	case model.RegistrationClosed, model.RegistrationInvitationOnly, model.RegistrationOpen:
		policy.Registration = l.Registration
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.local.registration", "%s is not served by this version; use Closed, InvitationOnly or Open", quote(l.Registration))
	}
	if l.MinLength != nil {
		policy.MinLength = int(*l.MinLength)
		if policy.MinLength < passwordLengthLeast || policy.MinLength > passwordLengthMost {
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec.local.minLength", "%d is out of bounds; use %d to %d",
				policy.MinLength, passwordLengthLeast, passwordLengthMost)
		}
	}
	return policy
}
