package model

import (
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
)

func TestWhatHasAProofIsNoPublicClient(t *testing.T) {
	for name, p := range map[string]Proofs{
		"keys": {Keys: []jwk.Key{{}}}, "a URI of keys": {KeysURI: "https://ci.example/jwks"}, "a ServiceAccount": {ServiceAccounts: []ServiceAccount{{"a", "b"}}},
	} {
		if a := (Application{Proofs: p}); a.Public() {
			t.Errorf("with %s it is public", name)
		}
	}
}

// While the next snapshot cannot be served, nobody keeps a proof that it takes away, and
// whoever has none left is not taken for a public client.
func TestOnlyTheProofsOfBothSnapshotsAreLeft(t *testing.T) {
	one, two := jwk.Key{ID: "1", Thumbprint: "a", Algorithms: []string{"RS256", "PS256"}}, jwk.Key{ID: "2", Thumbprint: "b", Algorithms: []string{"ES256"}}
	ps := one
	ps.Algorithms = []string{"PS256"}
	renamed := two
	renamed.ID = "3"
	a, b := ServiceAccount{"acme", "a"}, ServiceAccount{"acme", "b"}
	for _, c := range []struct {
		old, next Proofs
		want      string
	}{
		{Proofs{Keys: []jwk.Key{one, two}}, Proofs{Keys: []jwk.Key{ps}}, Proofs{Keys: []jwk.Key{ps}}.text()},
		{Proofs{Keys: []jwk.Key{two}}, Proofs{Keys: []jwk.Key{renamed}}, ""},
		{Proofs{ServiceAccounts: []ServiceAccount{a}}, Proofs{ServiceAccounts: []ServiceAccount{a, b}}, "ServiceAccount acme/a"},
		{Proofs{KeysURI: "https://a"}, Proofs{KeysURI: "https://b"}, ""},
		{Proofs{KeysURI: "https://a"}, Proofs{ServiceAccounts: []ServiceAccount{a}}, ""},
	} {
		if got := c.old.only(c.next).text(); got != c.want {
			t.Errorf("of %q and %q is left %q, want %q", c.old.text(), c.next.text(), got, c.want)
		}
		world := func(p Proofs) *Snapshot {
			o := Organization{ID: "o", Slug: "acme"}.WithMembers([]*Application{{UID: "1", ClientID: "acme.ci", Proofs: p}}, nil)
			return NewSnapshot("", []*Organization{o}, nil, nil)
		}
		left := world(c.old).Only(world(c.next)).Organization("o").Application("1")
		if (left != nil) != (c.want != "") || left != nil && left.Public() {
			t.Errorf("of %q and %q is left %+v", c.old.text(), c.next.text(), left)
		}
	}
}

func (p Proofs) text() string { return strings.Join(p.Lines(), ", ") }
