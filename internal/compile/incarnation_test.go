package compile_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
)

func TestAnAdoptedObjectGoesByTheIDBeforeIt(t *testing.T) {
	in := goodWorld()
	org, app, provider := in.Organizations[0], in.Applications[0], in.Providers[0]
	in.Adopted = map[string]string{string(org.UID): "org-before", string(app.UID): "app-before", string(provider.UID): "provider-before"}
	result := compile.Compile(in)
	o := result.Snapshot.Organization("org-before")
	if o == nil || o.Name != org.Name || result.Snapshot.Organization(string(org.UID)) != nil {
		t.Fatalf("the organization is not served under the ID before it: %v", o)
	}
	if result.Snapshot.Provider("provider-before") == nil || !o.Counts("provider-before") {
		t.Error("the provider does not go by the ID before it")
	}
	if served := o.Application("app-before"); served == nil || served.Name != app.Name || result.Snapshot.ID(string(app.UID)) != "app-before" {
		t.Errorf("the application goes by %+v", served)
	}
	for _, r := range result.Reports {
		if r.Object.UID == "org-before" || r.Object.UID == "app-before" {
			t.Errorf("the report on %v is not on the object that is there", r.Object)
		}
		if r.Object.UID == string(org.UID) && r.Organization.ID != "org-before" {
			t.Errorf("status.id is %q", r.Organization.ID)
		}
	}
}

func TestAnIDThatSomebodyHasIsNotGivenAway(t *testing.T) {
	in := goodWorld()
	first, second := string(in.Organizations[0].UID), string(in.Organizations[1].UID)
	for name, adopted := range map[string]map[string]string{
		"one that is there":            {first: second},
		"one that two are to have":     {first: "before", second: "before"},
		"an ID that is none":           {first: "", "": second},
		"its own, which it has anyway": {first: first},
		"each other's":                 {first: second, second: first},
	} {
		in.Adopted = adopted
		s := compile.Compile(in).Snapshot
		for i, uid := range []string{first, second} {
			if o := s.Organization(uid); o == nil || o.Name != in.Organizations[i].Name {
				t.Errorf("%s: %s is not served under its own ID", name, in.Organizations[i].Name)
			}
		}
	}
}

// Whatever is said of adoptions, nobody shares an ID.
func TestNoTwoObjectsShareAnID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		in.Adopted = drawAdopted(t, in)
		s := compile.Compile(in).Snapshot
		named := map[string]string{}
		for o := range s.Organizations() {
			if other, twice := named[o.ID]; twice && other != o.Namespace+"/"+o.Name {
				t.Errorf("%s/%s and %s share an ID", o.Namespace, o.Name, other)
			}
			named[o.ID] = o.Namespace + "/" + o.Name
			if n := s.OrganizationBySlug(o.Slug); s.Organization(o.ID) != n {
				t.Errorf("%s is not found by its ID", o.Slug)
			}
		}
	})
}
