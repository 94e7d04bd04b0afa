package compile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// grantTypes are those served, by the name that a declaration gives them.
var grantTypes = map[v1alpha1.GrantTypeName]oauth.GrantType{
	"authorization_code": oauth.AuthorizationCode,
	"device_code":        oauth.DeviceCode,
	"refresh_token":      oauth.RefreshToken,
	"client_credentials": oauth.ClientCredentials,
}

// defaultGrantTypes by type of application; its keys are the types served.
var defaultGrantTypes = map[string][]v1alpha1.GrantTypeName{
	v1alpha1.TypeWeb:     {"authorization_code", "refresh_token"},
	v1alpha1.TypeSPA:     {"authorization_code", "refresh_token"},
	v1alpha1.TypeNative:  {"authorization_code", "refresh_token"},
	v1alpha1.TypeDevice:  {"device_code", "refresh_token"},
	v1alpha1.TypeMachine: {"client_credentials"},
}

// Bounds of a client secret, in bytes.
const (
	secretLengthLeast = 32
	secretLengthMost  = 256
)

// accessTokenLeast is the shortest life of an access token.
const accessTokenLeast = time.Minute

// applicant is an ApiApplication and the verdict on it.
type applicant struct {
	object *v1alpha1.ApiApplication
	report *Report
	app    *model.Application // as far as it could be read; served unless report.NotServed
}

// judgeApplications judges the ApiApplications that ask for this Organization.
func (t *tenancy) judgeApplications(objects []*v1alpha1.ApiApplication) []*applicant {
	names, owners := newRoll(), map[string]*v1alpha1.ApiApplication{}
	var applicants []*applicant
	for _, o := range bySeniority(objects) {
		a := &applicant{object: o, report: newReport(kindApplication, o)}
		applicants = append(applicants, a)
		if names.enter(o, a.report) && t.admitApplication(o, a.report) {
			a.app = t.application(o, a.report)
			uniqueClientID(a, owners)
		}
	}
	t.resources(applicants)
	for _, a := range applicants {
		if !a.report.accepted() {
			a.report.Output = nil
		}
		pending(a)
		if a.app != nil {
			a.report.Application = applicationFacts(a)
		}
		a.report.close()
	}
	return applicants
}

// application reads one ApiApplication, rule by rule.
func (t *tenancy) application(o *v1alpha1.ApiApplication, r *Report) *model.Application {
	app := &model.Application{UID: t.id(o.UID), Namespace: o.Namespace, Name: o.Name, Type: o.Spec.Type, Suspended: o.Spec.Suspend}
	r.Suspended = o.Spec.Suspend
	applicationType(o, r)
	app.ClientID = t.clientID(o, r)
	app.DisplayName = displayName(o.Spec.DisplayName, app.ClientID, r)
	confidential := t.credentials(o, app, r)
	app.GrantTypes = allowedGrantTypes(o, confidential, r)
	t.ceiling(o, app, r)
	t.redirects(o, app, r)
	app.Consent = consent(o, confidential, r)
	app.PKCEOptional = pkceOptional(o, confidential, r)
	app.IntrospectsOrganization = introspection(o, confidential, r)
	app.AnyOrganization = anyOrganization(o, r)
	app.Audiences = t.audiences(o, r)
	t.tokens(o, app, r)
	app.ExpiresAt = expiry(o, r)
	return app
}

// admitApplication gives one verdict for an Organization that is absent and one that does
// not admit the namespace, so that nobody can ask which Organizations exist.
func (t *tenancy) admitApplication(o *v1alpha1.ApiApplication, r *Report) bool {
	var rule *v1alpha1.NamespaceAdmission
	if t.served() {
		rule = applicationAdmission(t.draft.object)
	}
	return t.admit(rule, resolve(o.Spec.OrganizationRef, o.Namespace), o.Namespace, r)
}

// applicationAdmission is the rule by which an Organization admits; nil for none.
func applicationAdmission(o *v1alpha1.Organization) *v1alpha1.NamespaceAdmission {
	if o.Spec.AllowedNamespaces == nil {
		return nil
	}
	return o.Spec.AllowedNamespaces.ApiApplications
}

func applicationType(o *v1alpha1.ApiApplication, r *Report) {
	if _, served := defaultGrantTypes[o.Spec.Type]; !served {
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.type", "%s is not served by this version; use Web, SPA, Native, Device or Machine", quote(o.Spec.Type))
	}
}

// clientID is deterministic, so that a rebuilt or second cluster gives the same one, and
// a custom one has one part less, so that it never equals a default one.
func (t *tenancy) clientID(o *v1alpha1.ApiApplication, r *Report) string {
	slug := t.draft.object.Spec.Slug
	if o.Spec.ClientID == "" {
		return slug + "." + o.Namespace + "." + o.Name
	}
	if rest, ok := strings.CutPrefix(o.Spec.ClientID, slug+"."); !ok || len(rest) > 63 || !label.MatchString(rest) {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.clientID",
			"%s must be the Organization's slug, a dot and one label, such as %q", quote(o.Spec.ClientID), slug+".cli")
		return ""
	}
	return o.Spec.ClientID
}

// uniqueClientID lets the oldest have a client ID. One that waits for its Secret keeps
// it: else whoever comes later could take over the name that its users know.
func uniqueClientID(a *applicant, owners map[string]*v1alpha1.ApiApplication) {
	if !a.report.accepted() {
		return
	}
	if owner := owners[a.app.ClientID]; owner != nil {
		whose := "an older ApiApplication" // in another namespace it is nobody's business
		if owner.Namespace == a.object.Namespace {
			whose = "the older ApiApplication " + show(nameOf(owner))
		}
		a.report.refuse(v1alpha1.ReasonClientIDConflict, "spec.clientID", "%s belongs to %s; choose another one, or delete the older", quote(a.app.ClientID), whose)
		return
	}
	owners[a.app.ClientID] = a.object
}

// allowedGrantTypes are those listed, or the type's own. They restrict, so a bad entry
// means that the application is not served.
func allowedGrantTypes(o *v1alpha1.ApiApplication, confidential bool, r *Report) []oauth.GrantType {
	names := o.Spec.GrantTypes
	if names == nil {
		names = defaultGrantTypes[o.Spec.Type]
	} else if len(names) == 0 {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.grantTypes", "must not be empty; list a grant, or leave the field out for the default of the type")
	}
	var allowed []oauth.GrantType
	for i, name := range names {
		field := fmt.Sprintf("spec.grantTypes[%d]", i)
		grant, served := grantTypes[name]
		switch {
		case !served:
			r.refuse(v1alpha1.ReasonUnsupportedValue, field, "%s is not served by this version; use authorization_code, refresh_token, device_code or client_credentials", quote(name))
		case grant == oauth.ClientCredentials && !confidential && !needsSecret(o.Spec.Type):
			// RFC 6749 section 4.4: confidential clients only. What the others lack is said by credentials.
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "client_credentials needs a client with a secret; %s", secretCure(o.Spec.Type))
		case grant == oauth.RefreshToken && !slices.Contains(names, "authorization_code") && !slices.Contains(names, "device_code"):
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "refresh_token comes only with a grant that gives one; add authorization_code or device_code, or remove refresh_token")
		case !slices.Contains(allowed, grant):
			allowed = append(allowed, grant)
		}
	}
	slices.Sort(allowed)
	return allowed
}

// ceiling reads the most that the application can be granted.
func (t *tenancy) ceiling(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	var scopes, protocol []string
	for i, s := range o.Spec.Scopes {
		name, field := string(s), fmt.Sprintf("spec.scopes[%d]", i)
		_, known := t.draft.catalogue.Scope(name)
		switch {
		case known:
			scopes = append(scopes, name)
		case oauth.ProtocolScopes.Has(name):
			protocol = append(protocol, name)
		default:
			r.refuse(v1alpha1.ReasonUnknownScope, field, "%s is not a scope of Organization %s; correct it, or add it to the Organization's spec.scopes.custom",
				quote(name), show(nameOf(t.draft.object)))
		}
	}
	app.Declared = oauth.NewScopeSet(scopes...)
	app.Scopes = t.draft.catalogue.Expand(app.Declared)
	app.ProtocolScopes = oauth.NewScopeSet(protocol...)
}

// introspection widens what a client may ask about, so a bad value leaves it at its own
// tokens. RFC 7662 section 2.1: whoever asks must prove who it is.
func introspection(o *v1alpha1.ApiApplication, confidential bool, r *Report) bool {
	switch v := o.Spec.Introspection; v {
	case "", v1alpha1.IntrospectOwn:
	case v1alpha1.IntrospectOrganization:
		if confidential {
			return true
		}
		r.find(v1alpha1.ReasonInvalidSpec, "spec.introspection", "Organization needs a client with a secret; use Own, or %s", secretCure(o.Spec.Type))
	default:
		r.find(v1alpha1.ReasonUnsupportedValue, "spec.introspection", "%s is not served; use Own or Organization", quote(v))
	}
	return false
}

func expiry(o *v1alpha1.ApiApplication, r *Report) time.Time {
	if o.Spec.ExpiresAt == "" {
		return time.Time{}
	}
	at, ok := moment(o.Spec.ExpiresAt)
	if !ok {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.expiresAt", "%s is not a moment in time; write it like 2027-01-31T00:00:00Z", quote(o.Spec.ExpiresAt))
		return time.Time{}
	}
	r.ExpiresAt = at
	r.bound(at)
	return at
}

func secretName(o *v1alpha1.ApiApplication) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.Credentials.FromSecret.Name}
}
