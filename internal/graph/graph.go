// Package graph says who can do what in each organization, and why: which Role gives which
// scope to whom, and where the Role has it from. It shows what is served, as a tree.
//
// Start reading at New. text.go and html.go write the tree for people to read.
package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Node is a line of the tree, with what is below it.
type Node struct {
	Kind     string // what it is, in a word or two: Role, person, scopes
	Name     string // as its author wrote it
	Note     string // why, until when
	Children []Node
}

// New returns a node for every organization that is served, or for the one with a slug, in
// the order of slugs, and one for what is not served.
func New(in compile.Input, slug string) []Node {
	result, derivations := compile.Explain(in)
	var tree []Node
	organizations := slices.SortedFunc(result.Snapshot.Organizations(), func(a, b *model.Organization) int { return strings.Compare(a.Slug, b.Slug) })
	for _, o := range organizations {
		if slug == "" || slug == o.Slug {
			tree = append(tree, newPlace(result.Snapshot, o, derivations).node())
		}
	}
	if left := notServed(result.Reports); len(left.Children) > 0 && slug == "" {
		tree = append(tree, left)
	}
	return tree
}

// place is an organization with how its Roles came to their scopes.
type place struct {
	*model.Organization
	snapshot *model.Snapshot
	roles    []compile.Derivation
	byName   map[string]*compile.Derivation
}

func newPlace(s *model.Snapshot, o *model.Organization, all []compile.Derivation) *place {
	p := &place{Organization: o, snapshot: s, byName: map[string]*compile.Derivation{}}
	for _, d := range all {
		if d.OrganizationID == o.ID {
			p.roles = append(p.roles, d)
		}
	}
	for i := range p.roles {
		p.byName[roleName(p.roles[i].Role)] = &p.roles[i]
	}
	return p
}

func (p *place) node() Node {
	n := Node{Kind: "Organization", Name: p.Slug, Note: quoted(p.DisplayName, p.Slug) + p.Namespace + "/" + p.Name}
	if p.Suspended {
		n.Note += "; suspended: nothing is issued, and its tokens are refused"
	}
	n.Children = append(n.Children, p.signIn())
	for i := range p.roles {
		n.Children = append(n.Children, p.role(&p.roles[i]))
	}
	people := map[string][]model.Holding{}
	for address, holdings := range p.People() {
		people[address] = holdings
	}
	for _, address := range sortedKeys(people) {
		n.Children = append(n.Children, Node{Kind: "Person", Name: address, Children: p.rights(people[address], nil)})
	}
	groups := p.groups()
	for _, name := range sortedKeys(groups) {
		n.Children = append(n.Children, Node{Kind: "Group", Name: name, Children: p.rights(groups[name], nil)})
	}
	if roles := p.DefaultRoles(); len(roles) > 0 {
		n.Children = append(n.Children, Node{Kind: "Members", Name: "without another Role", Children: p.rights(holdingsOf(roles), nil)})
	}
	applications := slices.SortedFunc(p.Applications(), func(a, b *model.Application) int { return strings.Compare(a.ClientID, b.ClientID) })
	for _, a := range applications {
		n.Children = append(n.Children, p.application(a))
	}
	n.Children = append(n.Children, p.visitors()...)
	return n
}

// groups are the holdings of groups, by the name of the group and of its provider.
func (p *place) groups() map[string][]model.Holding {
	groups := map[string][]model.Holding{}
	for g, holdings := range p.Groups() {
		from := g.ProviderUID
		if provider := p.Provider(g.ProviderUID); provider != nil {
			from = provider.Namespace + "/" + provider.Name
		}
		groups[g.Name+" of "+from] = holdings
	}
	return groups
}

func holdingsOf(roles []*model.Role) (holdings []model.Holding) {
	for _, role := range roles {
		holdings = append(holdings, model.Holding{Role: role})
	}
	return holdings
}

func (p *place) signIn() Node {
	var names []string
	for _, provider := range p.Providers {
		names = append(names, provider.Namespace+"/"+provider.Name+suspendedNote(provider))
	}
	if len(names) == 0 {
		return Node{Kind: "sign-in", Name: "none", Note: "nobody can sign in here"}
	}
	return Node{Kind: "sign-in", Name: strings.Join(names, ", ")}
}

func suspendedNote(p *model.Provider) string {
	if p.Suspended {
		return " (suspended: nobody signs in by it)"
	}
	return ""
}

// role is a Role with its scopes, each with where it is from, and its holders.
func (p *place) role(d *compile.Derivation) Node {
	n := Node{Kind: "Role", Name: roleName(d.Role), Note: strings.TrimSuffix(quoted(d.Role.DisplayName, d.Role.Name), " ")}
	n.Children = byWhy(d.Role.Scopes, func(scope string) string { return p.why(d, scope) })
	if len(d.Role.Scopes) == 0 {
		n.Children = []Node{{Kind: "scopes", Name: "none", Note: "its holders are members"}}
	}
	holders := map[string][]model.Holding{}
	for address, holdings := range p.People() {
		holders["person "+address] = holdings
	}
	for name, holdings := range p.groups() {
		holders["group "+name] = holdings
	}
	holders["members without another Role"] = holdingsOf(p.DefaultRoles())
	for a := range p.Applications() {
		holders["application "+a.ClientID] = a.Holdings
	}
	for _, who := range sortedKeys(holders) {
		kind, name, _ := strings.Cut(who, " ")
		for _, h := range holders[who] {
			if h.Role == d.Role {
				n.Children = append(n.Children, Node{Kind: "held by " + kind, Name: name, Note: until(h.NotAfter)})
			}
		}
	}
	return n
}

// why says where a Role has a scope from: the nearest way.
func (p *place) why(d *compile.Derivation, scope string) string {
	if d.Rules.Has(scope) {
		return "its own rules"
	}
	for _, rule := range d.Rules {
		if s, ok := p.Catalogue.Scope(rule); ok && s.Includes.Has(scope) {
			return "included in " + rule
		}
	}
	for _, parent := range d.Inherits {
		if from := p.byName[roleName(parent)]; from != nil && parent.Scopes.Has(scope) {
			return "inherited from " + roleName(parent) + ": " + p.why(from, scope)
		}
	}
	return "" // every scope is from somewhere
}

// rights are the scopes that holdings give, within a ceiling if there is one, each with
// the Roles it comes through.
func (p *place) rights(holdings []model.Holding, ceiling *oauth.ScopeSet) []Node {
	through, all := map[string][]string{}, []string{}
	for _, h := range holdings {
		for _, s := range h.Role.Scopes {
			if ceiling != nil && !ceiling.Has(s) {
				continue
			}
			via := "through " + roleName(h.Role)
			if bound := until(h.NotAfter); bound != "" {
				via += " " + bound
			}
			if !slices.Contains(through[s], via) {
				through[s] = append(through[s], via)
			}
			all = append(all, s)
		}
	}
	nodes := byWhy(oauth.NewScopeSet(all...), func(scope string) string { return strings.Join(through[scope], ", and ") })
	if len(nodes) == 0 {
		nodes = []Node{{Kind: "scopes", Name: "none", Note: "a member all the same"}}
		if ceiling != nil {
			nodes[0].Note = "no Role that names it gives a scope within its ceiling"
		}
	}
	return nodes
}

// application is a client: what it may ask people for, and what it may do for itself.
func (p *place) application(a *model.Application) Node {
	notes := []string{a.Type, proof(a), a.Namespace + "/" + a.Name}
	if a.Suspended {
		notes = append(notes, "suspended")
	}
	if !a.ExpiresAt.IsZero() {
		notes = append(notes, until(a.ExpiresAt))
	}
	n := Node{Kind: "Application", Name: a.ClientID, Note: strings.Join(notes, ", ")}
	if slices.ContainsFunc(a.GrantTypes, func(g oauth.GrantType) bool { return g == oauth.AuthorizationCode || g == oauth.DeviceCode }) {
		n.Children = append(n.Children, Node{
			Kind: "for people", Name: listed(a.Scopes.Union(a.ProtocolScopes)), Note: "at most, and never more than the person has",
		})
	}
	if a.Allows(oauth.ClientCredentials) {
		n.Children = append(n.Children, Node{Kind: "for itself", Note: "what the Roles that name it give, within its ceiling " + listed(a.Scopes), Children: p.rights(a.Holdings, &a.Scopes)})
	}
	if a.AnyOrganization {
		n.Children = append(n.Children, Node{Kind: "elsewhere", Name: "any Organization that admits it", Note: "if a member lets it in"})
	}
	return n
}

// proof is how an application proves itself.
func proof(a *model.Application) string {
	switch {
	case a.Public():
		return "public"
	case len(a.Secrets) > 0:
		return "with a secret"
	default:
		return "proven by " + strings.Join(a.Proofs.Lines(), ", ")
	}
}

// visitors are applications of others that members may let in.
func (p *place) visitors() (nodes []Node) {
	if p.External.All {
		nodes = append(nodes, Node{Kind: "admits", Name: "all applications of others", Note: "that ask for it, if a member lets them in"})
	}
	for o := range p.snapshot.Organizations() {
		for a := range o.Applications() {
			if o.ID != p.ID && p.snapshot.ApplicationIn(p.Organization, a.UID) != nil {
				nodes = append(nodes, Node{
					Kind: "Application of another", Name: a.ClientID, Note: "for members who let it in, at most: " + listed(a.ScopesIn(p.Organization).Union(a.ProtocolScopes)),
				})
			}
		}
	}
	slices.SortStableFunc(nodes, func(a, b Node) int { return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) })
	return nodes
}

// notServed lists the objects of which nothing is served, each with the first reason.
func notServed(reports []*compile.Report) Node {
	n := Node{Kind: "Not served"}
	for _, r := range reports {
		if r.NotServed && len(r.Findings) > 0 {
			n.Children = append(n.Children, Node{Kind: r.Object.Kind, Name: r.Object.Namespace + "/" + r.Object.Name, Note: r.Findings[0].Message})
		}
	}
	return n
}

// byWhy groups scopes that have one reason.
func byWhy(scopes oauth.ScopeSet, why func(string) string) (nodes []Node) {
	for _, s := range scopes {
		reason := why(s)
		if i := slices.IndexFunc(nodes, func(n Node) bool { return n.Note == reason }); i >= 0 {
			nodes[i].Name += ", " + s
		} else {
			nodes = append(nodes, Node{Kind: "scopes", Name: s, Note: reason})
		}
	}
	return nodes
}

func listed(scopes oauth.ScopeSet) string {
	if len(scopes) == 0 {
		return "no scope"
	}
	return strings.Join(scopes, ", ")
}

func roleName(r *model.Role) string { return r.Namespace + "/" + r.Name }

// quoted is the name shown to people, unless it says nothing.
func quoted(shown, name string) string {
	if shown == name {
		return ""
	}
	return fmt.Sprintf("%q ", shown)
}

func until(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return "until " + at.UTC().Format(time.RFC3339Nano)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
