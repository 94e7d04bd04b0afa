package compile_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What is said to explain a Role gives all of its scopes and no other, in the good world
// and with each mistake in it; and to explain changes no verdict.
func TestADerivationAccountsForEveryScope(t *testing.T) {
	worlds, inherited := map[string]func(*compile.Input){"all is well": func(*compile.Input) {}}, 0
	maps.Copy(worlds, mistakes)
	for name, spoil := range worlds {
		t.Run(name, func(t *testing.T) {
			in := goodWorld()
			spoil(&in)
			result, derivations := compile.Explain(in)
			if got, want := result.Snapshot.Digest, compile.Compile(in).Snapshot.Digest; got != want {
				t.Errorf("the snapshot is %s, want %s", got, want)
			}
			for _, d := range derivations {
				all := result.Snapshot.Organization(d.OrganizationID).Catalogue.Expand(d.Rules)
				for _, parent := range d.Inherits {
					inherited++
					all = all.Union(parent.Scopes)
				}
				if !slices.Equal(all, d.Role.Scopes) {
					t.Errorf("%s/%s has %v, of which %v is explained", d.Role.Namespace, d.Role.Name, d.Role.Scopes, all)
				}
			}
			for o := range result.Snapshot.Organizations() {
				for address, holdings := range o.People() {
					for _, h := range holdings {
						if !slices.ContainsFunc(derivations, func(d compile.Derivation) bool { return d.Role == h.Role }) {
							t.Errorf("%s holds %s/%s, which nothing explains", address, h.Role.Namespace, h.Role.Name)
						}
					}
				}
			}
		})
	}
	if inherited < 20 {
		t.Errorf("only %d times was a Role inherited: the worlds are too small", inherited)
	}
}

// With the Secrets that it lacks assumed, a world serves what it would with them; one that
// is there, though it is wrong, stays as it is.
func TestAssumedSecretsTakeThePlaceOfMissingOnesOnly(t *testing.T) {
	whole := goodWorld()
	bare := whole
	bare.Secrets = nil
	before := deepCopy(bare)
	assumed := bare.AssumingSecrets()
	if !reflect.DeepEqual(before, bare) {
		t.Error("the input itself was changed")
	}
	if got, want := servedApplications(assumed), servedApplications(whole); got != want || got <= servedApplications(bare) {
		t.Errorf("%d applications are served, want %d, and more than the %d without Secrets", got, want, servedApplications(bare))
	}
	if same := bare.AssumingSecrets(); compile.Compile(same).Snapshot.Digest != compile.Compile(assumed).Snapshot.Digest {
		t.Error("the same Secrets are not assumed twice")
	}
	wrong := whole
	wrong.Secrets = slices.Clone(whole.Secrets)
	for i := range wrong.Secrets {
		wrong.Secrets[i].Version = "wrong"
		wrong.Secrets[i].Data = map[string]model.Sensitive{"another": model.NewSensitive("x")}
	}
	if servedApplications(wrong.AssumingSecrets()) != servedApplications(wrong) {
		t.Error("a Secret without the key counts as right")
	}
}

func servedApplications(in compile.Input) (n int) {
	for o := range compile.Compile(in).Snapshot.Organizations() {
		for a := range o.Applications() {
			if len(a.GrantTypes) > 0 {
				n++
			}
		}
	}
	return n
}
