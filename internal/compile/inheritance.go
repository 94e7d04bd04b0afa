package compile

import (
	"fmt"
	"math/bits"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// parent is an entry of spec.inherits: which Role, and where it is written.
type parent struct{ role, at int }

// inherit gives every Role the scopes of those it inherits from. An entry that closes a
// cycle is left out: the Roles of the cycle keep their own rules and what they inherit
// from outside of it, and nothing from one another.
func (t *tenancy) inherit(roles []*roleNode) {
	g := inheritance{roles: roles, visited: make([]int, len(roles)), lowest: make([]int, len(roles)), circle: make([]int, len(roles))}
	index := make(map[types.NamespacedName]int, len(roles))
	for i, n := range roles {
		index[nameOf(n.object)] = i
	}
	for _, n := range roles {
		n.parents = t.parents(n, index)
	}
	for i := range roles {
		if g.visited[i] == 0 {
			g.visit(i)
		}
	}
	ancestors := make([]bitset, len(roles))
	for _, i := range g.order { // a Role comes after all that it inherits from
		n, scopes := roles[i], roles[i].own
		ancestors[i] = make(bitset, (len(roles)+63)/64)
		for _, p := range n.parents {
			if g.circle[p.role] == g.circle[i] {
				n.report.find(v1alpha1.ReasonCycleDetected, fmt.Sprintf("spec.inherits[%d]", p.at),
					"the Role inherits from itself: %s; remove one of these entries", g.show(i, p.role))
				continue
			}
			scopes = append(scopes[:len(scopes):len(scopes)], roles[p.role].role.Scopes...)
			ancestors[i].add(p.role)
			ancestors[i].union(ancestors[p.role])
		}
		n.role.Scopes = oauth.NewScopeSet(scopes...)
		n.report.Role = &v1alpha1.RoleStatus{Scopes: int32(len(n.role.Scopes)), Inherits: ancestors[i].len()} // #nosec G115 -- bounded by the catalogue
	}
}

// parents resolves spec.inherits among the Roles accepted by the same Organization.
func (t *tenancy) parents(n *roleNode, index map[types.NamespacedName]int) []parent {
	var found []parent
	for at, ref := range n.object.Spec.Inherits {
		name := resolve(ref, n.object.Namespace)
		i, ok := index[name]
		if !ok {
			n.report.find(v1alpha1.ReasonRefNotFound, fmt.Sprintf("spec.inherits[%d]", at),
				"no Role %s is accepted by Organization %s; create it, or correct name and namespace", show(name), show(nameOf(t.draft.object)))
			continue
		}
		found = append(found, parent{i, at})
	}
	return found
}

// inheritance finds the cycles by Tarjan's algorithm: Roles that reach one another are in
// the same circle.
type inheritance struct {
	roles           []*roleNode
	visited, lowest []int // order of discovery, from 1; the earliest one still open that is reached
	circle          []int // 0 while open
	open            []int
	clock, circles  int
	searched        int // Roles looked at to show cycles
	order           []int
}

func (g *inheritance) visit(i int) {
	g.clock++
	g.visited[i], g.lowest[i] = g.clock, g.clock
	g.open = append(g.open, i)
	for _, p := range g.roles[i].parents {
		switch {
		case g.visited[p.role] == 0:
			g.visit(p.role)
			g.lowest[i] = min(g.lowest[i], g.lowest[p.role])
		case g.circle[p.role] == 0:
			g.lowest[i] = min(g.lowest[i], g.visited[p.role])
		}
	}
	if g.lowest[i] != g.visited[i] {
		return
	}
	g.circles++
	for last := -1; last != i; {
		last = g.open[len(g.open)-1]
		g.open = g.open[:len(g.open)-1]
		g.circle[last] = g.circles
		g.order = append(g.order, last)
	}
}

// maxSearched bounds, for all Roles of an Organization together, the search for the
// shortest way around a cycle: what one tenant writes must not cost the others.
const maxSearched = 10_000

// show writes the way from a Role through one it inherits from back to itself.
func (g *inheritance) show(from, through int) string {
	name := func(i int) string { return show(nameOf(g.roles[i].object)) }
	next := map[int]int{through: from} // the Role from which each was reached
	queue := []int{through}
	for at := 0; at < len(queue) && g.searched < maxSearched; at++ {
		g.searched++
		if queue[at] == from {
			var names []string
			for i := from; i != through; i = next[i] {
				names = append(names, name(i))
			}
			names = append(names, name(through), name(from))
			for a, b := 0, len(names)-1; a < b; a, b = a+1, b-1 {
				names[a], names[b] = names[b], names[a]
			}
			return strings.Join(names, " → ")
		}
		for _, p := range g.roles[queue[at]].parents {
			if _, seen := next[p.role]; !seen && g.circle[p.role] == g.circle[from] {
				next[p.role] = queue[at]
				queue = append(queue, p.role)
			}
		}
	}
	return name(from) + " → " + name(through) + " → … → " + name(from)
}

// bitset is a set of indexes of roles.
type bitset []uint64

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) union(other bitset) {
	for i := range b {
		b[i] |= other[i]
	}
}

func (b bitset) len() (n int32) {
	for _, word := range b {
		n += int32(bits.OnesCount64(word)) // #nosec G115 -- at most 64
	}
	return n
}
