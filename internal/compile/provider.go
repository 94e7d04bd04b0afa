package compile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Bounds of spec.groupsMaxAge.
const (
	groupsMaxAgeLeast = time.Minute
	groupsMaxAgeMost  = 720 * time.Hour
)

// providerTypes are those served, in the order in which they are told.
var providerTypes = []string{
	v1alpha1.ProviderLocal, v1alpha1.ProviderOIDC, v1alpha1.ProviderOAuth2, v1alpha1.ProviderGitHub, v1alpha1.ProviderSAML, v1alpha1.ProviderLDAP,
}

// providerDraft is what an AuthProvider says of itself, judged without looking at anybody
// else. It is kept for as long as the object stays the same: its mapping is compiled once.
type providerDraft struct {
	object *v1alpha1.AuthProvider
	report *Report // not closed: the verdict on its surroundings comes on top
	// settings are all that is served, short of whose it is and of its secret.
	settings model.Provider
	issuer   string   // who the provider is, where that is declared
	named    *Finding // nil: it has its name and UID for itself
}

func newProviderDraft(o *v1alpha1.AuthProvider) *providerDraft {
	r := newReport(kindProvider, o)
	r.Suspended = o.Spec.Suspend
	d := &providerDraft{object: o, report: r}
	d.settings = model.Provider{
		Namespace: o.Namespace, Name: o.Name, Type: o.Spec.Type, Suspended: o.Spec.Suspend,
		DisplayName: displayName(o.Spec.DisplayName, o.Name, r),
	}
	if !slices.Contains(providerTypes, o.Spec.Type) {
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.type", "%s is not served by this version; use %s", quote(o.Spec.Type), alternatives(providerTypes))
		return d
	}
	settingsOfItsType(o, r)
	d.readSettings()
	if o.Spec.Type == v1alpha1.ProviderLocal {
		onlyOfItsInstallation(o, r)
		return d
	}
	d.settings.Mapping = providerMapping(o, r)
	d.settings.Provisioning = provisioning(o, r)
	d.settings.GroupsMaxAge = length(o.Spec.GroupsMaxAge, "spec.groupsMaxAge", bounds{least: groupsMaxAgeLeast, most: groupsMaxAgeMost}, model.GroupsMaxAgeDefault, r)
	return d
}

// alternatives lists values: "A, B or C".
func alternatives(values []string) string {
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// settingsOfItsType refuses an AuthProvider that has the settings of another type, or none
// of its own: which of them were meant is not for us to guess.
func settingsOfItsType(o *v1alpha1.AuthProvider, r *Report) {
	s := o.Spec
	for _, part := range []struct {
		name, of string
		declared bool
	}{
		{"local", v1alpha1.ProviderLocal, s.Local != nil}, {"oidc", v1alpha1.ProviderOIDC, s.OIDC != nil}, {"oauth2", v1alpha1.ProviderOAuth2, s.OAuth2 != nil},
		{"github", v1alpha1.ProviderGitHub, s.GitHub != nil}, {"saml", v1alpha1.ProviderSAML, s.SAML != nil}, {"ldap", v1alpha1.ProviderLDAP, s.LDAP != nil},
	} {
		switch {
		case part.declared && part.of != s.Type:
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec."+part.name, "is only read with type: %s; remove it, or create an AuthProvider of that type", part.of)
		case !part.declared && part.of == s.Type && part.of != v1alpha1.ProviderLocal:
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec."+part.name, "must be given with type: %s", part.of)
		}
	}
}

func (d *providerDraft) readSettings() {
	s, r := d.object.Spec, d.report
	switch {
	case s.Type == v1alpha1.ProviderLocal:
		d.settings.Local = localPolicy(s.Local, r)
	case s.Type == v1alpha1.ProviderOIDC && s.OIDC != nil:
		d.settings.OIDC, d.issuer = oidcSettings(s.OIDC, r), string(s.OIDC.Issuer)
	case s.Type == v1alpha1.ProviderOAuth2 && s.OAuth2 != nil:
		d.settings.OAuth2 = oauth2Settings(s.OAuth2, r)
	case s.Type == v1alpha1.ProviderGitHub && s.GitHub != nil:
		d.settings.GitHub = githubSettings(s.GitHub, r)
		d.issuer = d.settings.GitHub.BaseURL
	case s.Type == v1alpha1.ProviderSAML && s.SAML != nil:
		d.settings.SAML, d.issuer = samlSettings(s.SAML, r)
	case s.Type == v1alpha1.ProviderLDAP && s.LDAP != nil:
		d.settings.LDAP = ldapSettings(s.LDAP, r)
	}
}

// onlyOfItsInstallation refuses what an AuthProvider of type Local does not have. It is
// nobody's own: an address has one password, in all Organizations.
func onlyOfItsInstallation(o *v1alpha1.AuthProvider, r *Report) {
	for _, part := range []struct {
		field, why string
		declared   bool
	}{
		{"spec.organizationRef", "an AuthProvider of type Local is for the whole installation; create it anew without this, in the system namespace", o.Spec.OrganizationRef != nil},
		{"spec.mapping", "an AuthProvider of type Local has no claims to map; remove it", o.Spec.Mapping != nil},
		{"spec.provisioning", "accounts of type Local are made by an administrator; remove it", o.Spec.Provisioning != nil},
		{"spec.groupsMaxAge", "an AuthProvider of type Local tells no groups; remove it", o.Spec.GroupsMaxAge != ""},
	} {
		if part.declared {
			r.refuse(v1alpha1.ReasonInvalidSpec, part.field, "%s", part.why)
		}
	}
}

// provisioning reads what becomes of new people. Whoever writes an AuthProvider that links by
// address signs in as anybody, in every Organization: no tenant may.
func provisioning(o *v1alpha1.AuthProvider, r *Report) model.Provisioning {
	p := model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject}
	declared := o.Spec.Provisioning
	if declared == nil {
		return p
	}
	switch declared.Mode {
	case "":
	case v1alpha1.ProvisionJIT, v1alpha1.ProvisionLinkOnly, v1alpha1.ProvisionDeny:
		p.Mode = declared.Mode
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.provisioning.mode", "%s is not served; use JIT, LinkOnly or Deny", quote(declared.Mode))
	}
	switch declared.LinkBy {
	case "", v1alpha1.LinkBySubject:
	case v1alpha1.LinkByVerifiedEmail:
		p.LinkBy = model.LinkByVerifiedEmail
		if o.Spec.OrganizationRef != nil {
			r.refuse(v1alpha1.ReasonInvalidSpec, "spec.provisioning.linkBy",
				"VerifiedEmail is only for an AuthProvider of the installation, since it gives accounts away; use Subject: people connect their accounts themselves")
		}
	default:
		r.refuse(v1alpha1.ReasonUnsupportedValue, "spec.provisioning.linkBy", "%s is not served; use Subject or VerifiedEmail", quote(declared.LinkBy))
	}
	return p
}

// draftProviders judges each AuthProvider by itself, oldest first.
func (c *Compiler) draftProviders(objects []*v1alpha1.AuthProvider) []*providerDraft {
	sorted, names := bySeniority(objects), newRoll()
	drafts, byObject := make([]*providerDraft, len(sorted)), make(map[*v1alpha1.AuthProvider]*providerDraft, len(sorted))
	for i, o := range sorted {
		r := &Report{}
		names.enter(o, r)
		d := c.drafted[o]
		if d == nil {
			d = newProviderDraft(o)
		}
		if named := standing(r); !sameFinding(named, d.named) { // an older one of its name has come or gone
			copied := *d
			copied.named, d = named, &copied
		}
		drafts[i], byObject[o] = d, d
	}
	c.drafted = byObject
	return drafts
}

func standing(r *Report) *Finding {
	if len(r.Findings) == 0 {
		return nil
	}
	return &r.Findings[0]
}

func sameFinding(a, b *Finding) bool { return a == b || a != nil && b != nil && *a == *b }

// opened is a copy of the draft's report, for the verdict on its surroundings.
func (d *providerDraft) opened() *Report {
	r := *d.report
	r.Findings, r.Weak = slices.Clone(r.Findings), slices.Clone(r.Weak)
	if d.named != nil {
		r.NotServed = true
		r.Findings = append(r.Findings, *d.named)
	}
	return &r
}

// judgeProviders judges those of the installation and those that nobody can refer to, and
// returns the others for their Organizations. What did not change stays the same values, by
// which tenants tell.
func (c *Compiler) judgeProviders(in *Input) (owned []*providerDraft, reports []*Report) {
	var served []*model.Provider
	for _, d := range c.draftProviders(in.Providers) {
		if d.named == nil && d.object.Spec.OrganizationRef != nil {
			owned = append(owned, d)
			continue
		}
		r := d.opened()
		if d.named == nil && installationWide(d.object, in.SystemNamespace, r) {
			p := d.serve(c.facts.id(d.object.UID), "", c.facts.secrets.find, r)
			if p.Local != nil {
				onlyLocal(served, r)
			}
			d.tell(p, c.issuer, r)
			if !r.NotServed {
				served = append(served, p)
			}
		}
		reports = append(reports, r.close())
	}
	for i, p := range served {
		if k := slices.IndexFunc(c.providers, p.Equal); k >= 0 {
			served[i] = c.providers[k]
		}
	}
	c.providers = served
	return owned, reports
}

// installationWide admits providers of the system namespace: one anywhere else would let
// a tenant say who everybody is.
func installationWide(p *v1alpha1.AuthProvider, systemNamespace string, r *Report) bool {
	if p.Namespace == systemNamespace {
		return true
	}
	r.refuse(v1alpha1.ReasonNotAdmitted, "metadata.namespace",
		"an AuthProvider without spec.organizationRef is installation-wide and is accepted only in namespace %s; create it there, or anew with the Organization that it is for", quote(systemNamespace))
	return false
}

// onlyLocal lets the oldest Local provider win: an address has one password.
func onlyLocal(served []*model.Provider, r *Report) {
	i := slices.IndexFunc(served, func(p *model.Provider) bool { return p.Local != nil })
	if r.NotServed || i < 0 {
		return
	}
	r.refuse(v1alpha1.ReasonNotServed, "", "%s", fmt.Sprintf(
		"only one Local AuthProvider is served, the oldest, which is %s/%s; delete one of the two", served[i].Namespace, served[i].Name))
}

// ownProvider is an AuthProvider that asks for an Organization, and the verdict on it.
type ownProvider struct {
	draft  *providerDraft
	report *Report
	served *model.Provider // nil: not served
}

// judgeProviders judges the AuthProviders that ask for this Organization.
func (t *tenancy) judgeProviders(drafts []*providerDraft) (own []*ownProvider) {
	for _, d := range drafts {
		p := &ownProvider{draft: d, report: d.opened()}
		own = append(own, p)
		if t.admitProvider(d.object, p.report) {
			served := d.serve(t.id(d.object.UID), t.id(t.draft.object.UID), t.findSecret, p.report)
			d.tell(served, t.issuer, p.report)
			if !p.report.NotServed {
				p.served = served
			}
		}
		p.report.close()
	}
	return own
}

// admitProvider gives one verdict for an Organization that is absent and one that does not
// admit the namespace.
func (t *tenancy) admitProvider(o *v1alpha1.AuthProvider, r *Report) bool {
	var rule *v1alpha1.NamespaceAdmission
	if t.served() && t.draft.object.Spec.AllowedNamespaces != nil {
		rule = t.draft.object.Spec.AllowedNamespaces.AuthProviders
	}
	return t.admit(rule, resolve(*o.Spec.OrganizationRef, o.Namespace), o.Namespace, r)
}

// serve is the provider with whose it is, and with its secret.
func (d *providerDraft) serve(uid, organization string, find func(types.NamespacedName) (Secret, bool), r *Report) *model.Provider {
	p := d.settings
	p.UID, p.OrganizationID = uid, organization
	switch s := d.object.Spec; {
	case p.OIDC != nil && s.OIDC.ClientSecretRef != nil:
		settings := *p.OIDC
		settings.ClientSecret = upstreamSecret(d.object, *s.OIDC.ClientSecretRef, "spec.oidc.clientSecretRef", find, r)
		p.OIDC = &settings
	case p.OAuth2 != nil:
		settings := *p.OAuth2
		settings.ClientSecret = upstreamSecret(d.object, s.OAuth2.ClientSecretRef, "spec.oauth2.clientSecretRef", find, r)
		p.OAuth2 = &settings
	case p.GitHub != nil:
		settings := *p.GitHub
		settings.ClientSecret = upstreamSecret(d.object, s.GitHub.ClientSecretRef, "spec.github.clientSecretRef", find, r)
		p.GitHub = &settings
	case p.LDAP != nil && s.LDAP.BindPasswordRef != nil:
		settings := *p.LDAP
		settings.BindPassword = upstreamSecret(d.object, *s.LDAP.BindPasswordRef, "spec.ldap.bindPasswordRef", find, r)
		p.LDAP = &settings
	}
	return &p
}

// tell notes what an administrator enters at the provider, as soon as it is certain: the
// secret that is still missing is often given there in exchange for it.
func (d *providerDraft) tell(p *model.Provider, issuer string, r *Report) {
	r.Provider = &v1alpha1.AuthProviderStatus{}
	if !r.accepted() {
		return
	}
	r.Provider.Issuer = d.issuer
	switch {
	case issuer == "":
	case p.SAML != nil:
		r.Provider.SAMLACSURL, r.Provider.SAMLMetadataURL = p.CallbackURL(issuer), p.MetadataURL(issuer)
	case p.OIDC != nil || p.OAuth2 != nil || p.GitHub != nil:
		r.Provider.CallbackURL = p.CallbackURL(issuer)
	}
}

// providerMapping reads what of the claims is what. It decides who somebody is and who is let
// in, so one mistake in it, and one example that does not come true, is enough.
func providerMapping(o *v1alpha1.AuthProvider, r *Report) *mapping.Mapping {
	declared := o.Spec.Mapping
	if declared == nil {
		declared = &v1alpha1.ProviderMapping{}
	}
	m, problems := mapping.New(mapping.Source{
		Subject: string(declared.Subject), Email: string(declared.Email), EmailVerified: string(declared.EmailVerified), Name: string(declared.Name),
		Groups: string(declared.Groups), Require: string(declared.Require), AMR: string(declared.AMR),
	}.Or(mapping.Default(o.Spec.Type)))
	for _, p := range problems {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.mapping."+p.Field, "%s", p.Message)
	}
	if m != nil {
		runExamples(declared.Examples, m, r)
	}
	return m
}
