package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Derivation says how a Role of an Organization that is served comes to its scopes.
type Derivation struct {
	OrganizationID string
	Role           *model.Role    // with all its scopes
	Rules          oauth.ScopeSet // written in its own rules, without what they include
	Inherits       []*model.Role  // those whose scopes it has too, as it lists them
}

// Explain compiles the input and says besides where the scopes of every Role come from, in
// the order of namespace and name.
func Explain(in Input) (Result, []Derivation) {
	c := &Compiler{explaining: true}
	result := c.Compile(in)
	var derivations []Derivation
	for _, t := range c.tenants {
		if t.served == nil {
			continue
		}
		for _, n := range t.nodes {
			if n.role != nil {
				derivations = append(derivations, derivation(t, n))
			}
		}
	}
	slices.SortFunc(derivations, func(a, b Derivation) int {
		return cmp.Or(strings.Compare(a.Role.Namespace, b.Role.Namespace), strings.Compare(a.Role.Name, b.Role.Name))
	})
	return result, derivations
}

func derivation(t *tenant, n *roleNode) Derivation {
	d := Derivation{OrganizationID: t.served.ID, Role: n.role}
	var rules []string
	for _, rule := range n.object.Spec.Rules {
		for _, s := range rule.Scopes {
			if _, known := t.served.Catalogue.Scope(string(s)); known {
				rules = append(rules, string(s))
			}
		}
	}
	d.Rules = oauth.NewScopeSet(rules...)
	for _, p := range n.parents {
		closesCycle := slices.ContainsFunc(n.report.Findings, func(f Finding) bool {
			return f.Reason == v1alpha1.ReasonCycleDetected && f.Field == fmt.Sprintf("spec.inherits[%d]", p.at)
		})
		name := resolve(n.object.Spec.Inherits[p.at], n.object.Namespace)
		i := slices.IndexFunc(t.nodes, func(other *roleNode) bool { return other.role != nil && nameOf(other.object) == name })
		if i >= 0 && !closesCycle {
			d.Inherits = append(d.Inherits, t.nodes[i].role)
		}
	}
	return d
}
