package compile_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

// FuzzCompile decodes whatever it is given into the four kinds and judges it, twice: the
// second time in another order, by a Compiler with a past.
func FuzzCompile(f *testing.F) {
	good := goodWorld()
	for _, seed := range []compile.Input{good, {}} {
		text, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"Organizations":[null,{"metadata":{"name":"a"}}],"Roles":[{"spec":{"organizationRef":{"name":"a"},"inherits":[{"name":""}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var declared struct {
			Organizations []*v1alpha1.Organization
			Applications  []*v1alpha1.ApiApplication
			Roles         []*v1alpha1.Role
			Providers     []*v1alpha1.AuthProvider
		}
		if json.Unmarshal(text, &declared) != nil {
			t.Skip("not the four kinds")
		}
		in := goodWorld()
		var c compile.Compiler
		c.Compile(in)
		in.Organizations = append(in.Organizations, declared.Organizations...)
		in.Applications = append(in.Applications, declared.Applications...)
		in.Roles = append(in.Roles, declared.Roles...)
		in.Providers = append(in.Providers, declared.Providers...)
		again, fresh := c.Compile(in), compile.Compile(in)
		if again.Snapshot.Digest != fresh.Snapshot.Digest || len(again.Reports) != len(fresh.Reports) {
			t.Errorf("a Compiler with a past says something else")
		}
		for _, r := range fresh.Reports {
			for _, c := range r.Conditions(compile.Programmed{Reason: v1alpha1.ReasonProgrammed}, noon) {
				if c.Reason == "" || len(c.Message) > 32768 {
					t.Errorf("%v: condition %+v", r.Object, c)
				}
			}
		}
	})
}
