package compile

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// label is the shape of a slug and of each part of a client ID (RFC 1123).
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// clientIDShape is that of a custom client ID, or of a default one.
var clientIDShape = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?){1,2}$`)

const slugLengthMost = 40

// draft is what an Organization says of itself, judged without looking at anybody else.
// It is kept for as long as the object stays the same.
type draft struct {
	object    *v1alpha1.Organization
	report    *Report // not closed: the verdict on its surroundings comes on top
	shown     string  // its name, to people
	catalogue *model.Catalogue
	tokens    model.TokenCeilings
	external  model.ExternalApplications
	login     model.LoginRules
	domains   []string
	branding  model.Branding
}

func newDraft(o *v1alpha1.Organization) *draft {
	d := &draft{object: o, report: newReport(kindOrganization, o)}
	slugShape(o.Spec.Slug, d.report)
	d.shown = displayName(o.Spec.DisplayName, o.Spec.Slug, d.report)
	d.catalogue = scopeCatalogue(o.Spec.Scopes, d.report)
	d.tokens = tokenCeilings(o.Spec.Tokens, d.report)
	d.external = externalApplications(o.Spec.ExternalApplications, d.report)
	d.login = loginRules(o.Spec.Login, d.report)
	d.domains = homeDomains(o.Spec.Domains, d.report)
	d.branding = branding(o.Spec.Branding, d.report)
	deletionPolicy(o.Spec.DeletionPolicy, d.report)
	if allowed := o.Spec.AllowedNamespaces; allowed != nil {
		checkAdmission(allowed.ApiApplications, "spec.allowedNamespaces.apiApplications", d.report)
		checkAdmission(allowed.Roles, "spec.allowedNamespaces.roles", d.report)
		checkAdmission(allowed.AuthProviders, "spec.allowedNamespaces.authProviders", d.report)
	}
	return d
}

// deletionPolicy is the API server's to act on; an unknown one protects.
func deletionPolicy(policy string, r *Report) {
	switch policy {
	case "", v1alpha1.DeletionProtect, v1alpha1.DeletionDelete:
	default:
		r.find(v1alpha1.ReasonUnsupportedValue, "spec.deletionPolicy", "%s is not served; use Protect or Delete", quote(policy))
	}
}

// slugShape refuses what could not stand before the first dot of a client ID.
func slugShape(slug string, r *Report) {
	if len(slug) > slugLengthMost || !label.MatchString(slug) {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.slug",
			"%s is not a slug; use at most %d lower-case letters, digits and inner hyphens", quote(slug), slugLengthMost)
	}
}

// externalApplications admits applications of other Organizations. Which exist is nobody
// else's to know, so client IDs are not looked up; a contradiction is read as the narrower.
func externalApplications(e *v1alpha1.ExternalApplications, r *Report) (admitted model.ExternalApplications) {
	const field = "spec.externalApplications"
	if e == nil {
		return admitted
	}
	listed := len(e.ClientIDs) > 0
	switch {
	case !slices.Contains([]string{v1alpha1.ExternalNone, v1alpha1.ExternalAll, v1alpha1.ExternalList}, e.From):
		r.find(v1alpha1.ReasonUnsupportedValue, field+".from", "%s is not served; use None, All or List", quote(e.From))
		return admitted
	case e.From == v1alpha1.ExternalList && !listed:
		r.find(v1alpha1.ReasonInvalidSpec, field+".clientIDs", "must list client IDs with from: List, such as globex.dashboard")
		return admitted
	case e.From != v1alpha1.ExternalList && listed:
		r.find(v1alpha1.ReasonInvalidSpec, field+".clientIDs", "are only read with from: List; remove them, or set from: List")
	}
	if e.From == v1alpha1.ExternalNone {
		return admitted
	}
	for i, id := range e.ClientIDs {
		if len(id) > 168 || !clientIDShape.MatchString(string(id)) {
			r.find(v1alpha1.ReasonInvalidSpec, fmt.Sprintf("%s.clientIDs[%d]", field, i), "%s is not a client ID; write it like globex.dashboard", quote(id))
		} else if !slices.Contains(admitted.ClientIDs, string(id)) {
			admitted.ClientIDs = append(admitted.ClientIDs, string(id))
		}
	}
	admitted.All = e.From == v1alpha1.ExternalAll && !listed
	return admitted
}

// tokenCeilings reads the ceilings. What is not used for long enough is over anyway when
// the absolute life is, so the idle one is never longer; nor does a JWT live longer than
// other access tokens.
func tokenCeilings(t *v1alpha1.TokenCeilings, r *Report) model.TokenCeilings {
	if t == nil {
		t = &v1alpha1.TokenCeilings{}
	}
	const day = 24 * time.Hour
	access, refresh := bounds{least: time.Minute, most: day}, bounds{least: time.Minute, most: 365 * day}
	c := model.TokenCeilings{
		AccessToken:     length(t.AccessTokenTTL, "spec.tokens.accessTokenTTL", access, time.Hour, r),
		JWTAccessToken:  length(t.JWTAccessTokenTTL, "spec.tokens.jwtAccessTokenTTL", bounds{least: time.Minute, most: time.Hour}, 10*time.Minute, r),
		RefreshIdle:     length(t.RefreshTokenIdleTTL, "spec.tokens.refreshTokenIdleTTL", refresh, 30*day, r),
		RefreshAbsolute: length(t.RefreshTokenAbsoluteTTL, "spec.tokens.refreshTokenAbsoluteTTL", refresh, 90*day, r),
	}
	c.JWTAccessToken = min(c.JWTAccessToken, c.AccessToken)
	c.RefreshIdle = min(c.RefreshIdle, c.RefreshAbsolute)
	return c
}

// candidate is an Organization with what its surroundings make of it.
type candidate struct {
	draft    *draft
	named    bool    // it has its name and UID for itself
	standing Finding // zero: it has its slug for itself, too
}

// report is a copy of the draft's, with the standing on top.
func (c candidate) report() *Report {
	r := *c.draft.report
	r.Findings = slices.Clone(r.Findings)
	if c.standing.Reason != "" {
		r.NotServed = true
		r.Findings = append(r.Findings, c.standing)
	}
	r.Suspended = c.draft.object.Spec.Suspend
	return &r
}

// rank gives names and slugs away. The others are reported, and serve nothing. Only
// Organizations that are otherwise accepted contend for a slug.
func rank(drafts []*draft, f *facts, anySlug bool) []candidate {
	names, slugs := newRoll(), map[string]bool{}
	candidates := make([]candidate, 0, len(drafts))
	for _, d := range drafts {
		o, slug := d.object, d.object.Spec.Slug
		r := &Report{}
		c := candidate{draft: d, named: names.enter(o, r)}
		switch {
		case !c.named || d.report.NotServed:
		case !anySlug && slug != o.Namespace && !slices.Contains(f.namespaces[o.Namespace].Slugs, slug):
			r.refuse(v1alpha1.ReasonSlugNotGranted, "spec.slug",
				"%s is not granted to namespace %s; use the namespace's name, or ask a cluster administrator to list it in the Namespace's annotation %s",
				quote(slug), clip(o.Namespace, 64), v1alpha1.SlugsAnnotation)
		case slugs[slug]:
			r.refuse(v1alpha1.ReasonSlugConflict, "spec.slug",
				"%s belongs to an older Organization; choose another one, or delete the older Organization", quote(slug))
		default:
			slugs[slug] = true
		}
		if len(r.Findings) > 0 {
			c.standing = r.Findings[0]
		}
		candidates = append(candidates, c)
	}
	return candidates
}

// loginProviders resolves the providers that count in an Organization: its own and those of
// the installation, and never those of another. A declared list of which nothing resolves
// means that nobody signs in, never that everybody does.
func (t *tenancy) loginProviders(own []*ownProvider, installation []*model.Provider) (counted []*model.Provider) {
	t.signIns = make(map[types.NamespacedName]*model.Provider, len(installation)+len(own))
	var all []*model.Provider
	for _, p := range own {
		if p.served != nil {
			all = append(all, p.served)
		}
	}
	all = append(all, installation...)
	for _, p := range all {
		t.signIns[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p
	}
	o := t.draft.object
	if o.Spec.Login == nil || o.Spec.Login.AuthProviders == nil {
		return all
	}
	for i, ref := range o.Spec.Login.AuthProviders {
		name := resolve(ref, o.Namespace)
		p := t.signIns[name]
		if p == nil {
			t.report.find(v1alpha1.ReasonRefNotFound, fmt.Sprintf("spec.login.authProviders[%d]", i),
				"no AuthProvider %s of this Organization or of the installation is served; create it, or correct name and namespace", show(name))
			continue
		}
		if !slices.Contains(counted, p) {
			counted = append(counted, p)
		}
	}
	return counted
}

func organizationModel(d *draft, id string, providers []*model.Provider) model.Organization {
	o := d.object
	return model.Organization{
		ID: id, Namespace: o.Namespace, Name: o.Name,
		Slug: o.Spec.Slug, DisplayName: d.shown,
		CreatedAt: o.CreationTimestamp.UTC(), Suspended: o.Spec.Suspend,
		Catalogue: d.catalogue, Tokens: d.tokens, Providers: providers, External: d.external,
		Login: d.login, Domains: d.domains, Branding: d.branding,
	}
}
