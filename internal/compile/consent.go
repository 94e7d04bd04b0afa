package compile

import (
	"time"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// consent reads how often people are asked. To ask less is a favour, so whatever is wrong
// makes it ask each time.
func consent(o *v1alpha1.ApiApplication, confidential bool, r *Report) model.Consent {
	const longest = 365 * 24 * time.Hour
	explicit := model.Consent{Mode: model.ConsentExplicit}
	c := o.Spec.Consent
	if c == nil {
		return explicit
	}
	maxAge := longest
	if c.MaxAge != "" {
		var err error
		if maxAge, err = c.MaxAge.Parse(); err != nil || maxAge < time.Minute || maxAge > longest {
			r.find(v1alpha1.ReasonInvalidSpec, "spec.consent.maxAge", "%s is not a duration from 1m to 8760h; write it like 720h. Until then people are asked each time", quote(c.MaxAge))
			return explicit
		}
	}
	switch c.Mode {
	case "", v1alpha1.ConsentExplicit:
	case v1alpha1.ConsentRemember:
		return model.Consent{Mode: model.ConsentRemember, MaxAge: maxAge}
	case v1alpha1.ConsentSkip:
		// RFC 8252 section 8.6: anybody can pose as a client that proves nothing.
		if confidential {
			return model.Consent{Mode: model.ConsentSkip}
		}
		r.find(v1alpha1.ReasonInvalidSpec, "spec.consent.mode", "Skip needs an application that proves itself; use Explicit or Remember. Until then people are asked each time")
	default:
		r.find(v1alpha1.ReasonUnsupportedValue, "spec.consent.mode", "%s is not served; use Explicit, Remember or Skip. Until then people are asked each time", quote(c.Mode))
	}
	return explicit
}

// pkceOptional reads whether the application may do without PKCE. RFC 9700 section 2.1.1:
// only one that proves itself, and that sends a nonce instead.
func pkceOptional(o *v1alpha1.ApiApplication, confidential bool, r *Report) bool {
	if o.Spec.Security == nil {
		return false
	}
	switch v := o.Spec.Security.PKCE; {
	case v == "" || v == v1alpha1.PKCERequired:
	case v != v1alpha1.PKCEOptional:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.security.pkce", "%s is not served; use Required or Optional", quote(v))
	case !confidential:
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.security.pkce", "Optional needs an application that proves itself; use Required, or %s", proofCure(o.Spec.Type))
	default:
		return true
	}
	return false
}

// anyOrganization reads whether the application works outside of its own Organization.
func anyOrganization(o *v1alpha1.ApiApplication, r *Report) bool {
	switch v := o.Spec.OrganizationAccess; v {
	case "", v1alpha1.OrganizationOwner:
	case v1alpha1.OrganizationSelected:
		return true
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.organizationAccess", "%s is not served; use Owner or Selected", quote(v))
	}
	return false
}
