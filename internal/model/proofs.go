package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
)

// Proofs say whose signature proves an application (RFC 7523 section 2.2): one of its own
// keys, or that of the cluster on the token of a ServiceAccount. At most one of the three is
// there.
type Proofs struct {
	Keys []jwk.Key
	// KeysURI is where it publishes its keys.
	KeysURI string
	// ServiceAccounts of the cluster, sorted, each once.
	ServiceAccounts []ServiceAccount
}

// ServiceAccount is one of the cluster.
type ServiceAccount struct{ Namespace, Name string }

// Subject is the claim sub of its tokens, as Kubernetes writes it.
func (s ServiceAccount) Subject() string {
	return "system:serviceaccount:" + s.Namespace + ":" + s.Name
}

func (s ServiceAccount) String() string { return s.Namespace + "/" + s.Name }

// Compare orders by namespace and name.
func (s ServiceAccount) Compare(other ServiceAccount) int {
	return strings.Compare(s.Subject(), other.Subject())
}

// Lines describe each proof by itself, for people and to compare: none of it is secret.
func (p Proofs) Lines() (lines []string) {
	for _, k := range p.Keys {
		lines = append(lines, fmt.Sprintf("key %q with thumbprint %s for %s", k.ID, k.Thumbprint, strings.Join(k.Algorithms, " or ")))
	}
	if p.KeysURI != "" {
		lines = append(lines, fmt.Sprintf("the keys at %q", p.KeysURI))
	}
	for _, s := range p.ServiceAccounts {
		lines = append(lines, "ServiceAccount "+s.String())
	}
	return lines
}

// Names reports whether the claim sub of a token is that of one of the ServiceAccounts.
func (p Proofs) Names(subject string) bool {
	return slices.ContainsFunc(p.ServiceAccounts, func(s ServiceAccount) bool { return s.Subject() == subject })
}

func (p Proofs) none() bool {
	return len(p.Keys) == 0 && p.KeysURI == "" && len(p.ServiceAccounts) == 0
}

// only is what proves it in both.
func (p Proofs) only(next Proofs) (kept Proofs) {
	for _, k := range p.Keys {
		i := slices.IndexFunc(next.Keys, func(n jwk.Key) bool { return n.ID == k.ID && n.Thumbprint == k.Thumbprint })
		if i < 0 {
			continue
		}
		k.Algorithms = inBoth(k.Algorithms, next.Keys[i].Algorithms)
		if len(k.Algorithms) > 0 {
			kept.Keys = append(kept.Keys, k)
		}
	}
	if p.KeysURI == next.KeysURI {
		kept.KeysURI = p.KeysURI
	}
	for _, s := range p.ServiceAccounts {
		if slices.Contains(next.ServiceAccounts, s) {
			kept.ServiceAccounts = append(kept.ServiceAccounts, s)
		}
	}
	return kept
}
