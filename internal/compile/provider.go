package compile

import (
	"cmp"
	"fmt"

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

// judgeProviders returns the installation-wide providers that are served, oldest first.
func judgeProviders(objects []*v1alpha1.AuthProvider, systemNamespace string, f *facts) (served []*model.Provider, reports []*Report) {
	names := newRoll()
	for _, p := range bySeniority(objects) {
		r := newReport(kindProvider, p)
		if names.enter(p, r) && installationWide(p, systemNamespace, r) && providerType(p, r) {
			local := localPolicy(p.Spec.Local, r)
			onlyLocal(served, r)
			if !r.NotServed {
				served = append(served, &model.Provider{
					UID: f.id(p.UID), Namespace: p.Namespace, Name: p.Name,
					Type: p.Spec.Type, DisplayName: cmp.Or(p.Spec.DisplayName, p.Name), Local: local,
				})
			}
		}
		reports = append(reports, r.close())
	}
	return served, reports
}

// installationWide admits providers of the system namespace: one anywhere else would let
// a tenant say who everybody is.
func installationWide(p *v1alpha1.AuthProvider, systemNamespace string, r *Report) bool {
	if p.Namespace == systemNamespace {
		return true
	}
	r.refuse(v1alpha1.ReasonNotAdmitted, "metadata.namespace",
		"an AuthProvider is installation-wide and is accepted only in namespace %s; create it there", quote(systemNamespace))
	return false
}

func providerType(p *v1alpha1.AuthProvider, r *Report) bool {
	if p.Spec.Type == v1alpha1.ProviderLocal {
		return true
	}
	r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.type", "%s is not served by this version; use Local", quote(p.Spec.Type))
	return false
}

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

// onlyLocal lets the oldest Local provider win: an address has one password.
func onlyLocal(served []*model.Provider, r *Report) {
	if r.NotServed || len(served) == 0 {
		return
	}
	r.refuse(v1alpha1.ReasonNotServed, "", "%s", fmt.Sprintf(
		"only one Local AuthProvider is served, the oldest, which is %s/%s; delete one of the two", served[0].Namespace, served[0].Name))
}
