package plan_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/internal/plan"
)

// world is a snapshot that tests change before it is put together.
type world struct {
	home, other model.Organization
	application model.Application
	role        model.Role
	holding     model.Holding
	provider    model.Provider   // of the installation
	upstreams   []model.Provider // one of each other type, of home
	scope       model.Scope
	objects     []model.ObjectID
	groups      map[model.Group][]model.Holding
	defaults    []*model.Role
}

// newWorld is one in which every field of the model is in force: another organization
// admits the application, and a person and the application hold the role.
func newWorld() *world {
	return &world{
		home: model.Organization{
			ID: "h", Namespace: "home", Name: "home", Slug: "home",
			Login: model.LoginRules{SecondFactor: model.SecondFactorRule{Required: true, GracePeriod: time.Hour}},
		},
		other: model.Organization{
			ID: "o", Namespace: "other", Name: "other", Slug: "other", External: model.ExternalApplications{All: true},
			Catalogue: model.NewCatalogue([]model.Scope{{Name: "zone:x", Includes: oauth.NewScopeSet("zone:x")}}),
		},
		application: model.Application{
			UID: "a", Namespace: "home", Name: "app", ClientID: "home.app", AnyOrganization: true,
			ProtocolScopes: oauth.NewScopeSet(oauth.OpenID), IDTokenAlg: "RS256",
			Consent: model.Consent{Mode: model.ConsentRemember, MaxAge: time.Hour}, ExpiresAt: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
			Secrets: []model.ClientSecret{{
				Digest: model.SecretDigest{9}, NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			}},
			Proofs: model.Proofs{Keys: []jwk.Key{{ID: "k", Thumbprint: "t", Algorithms: []string{"ES256"}}}, ServiceAccounts: []model.ServiceAccount{{Namespace: "home", Name: "ci"}}},
		},
		role:      model.Role{UID: "r", Namespace: "home", Name: "role"},
		provider:  model.Provider{UID: "p", Namespace: "system", Name: "local", Local: &model.LocalPolicy{MinLength: 8}},
		upstreams: newUpstreams(),
		scope:     model.Scope{Name: "zone:y", Includes: oauth.NewScopeSet("zone:y")},
	}
}

// settingsOfTypes are parts of their own, and the mapping has one more.
var settingsOfTypes = []string{"Local", "OIDC", "OAuth2", "GitHub", "SAML", "LDAP", "Mapping"}

func newUpstreams() []model.Provider {
	all := []model.Provider{
		{OIDC: &model.OIDCSettings{}}, {OAuth2: &model.OAuth2Settings{}}, {GitHub: &model.GitHubSettings{Organizations: []string{"acme"}}},
		{SAML: &model.SAMLSettings{}}, {LDAP: &model.LDAPSettings{GroupSearch: &model.LDAPSearch{}}},
	}
	for i := range all {
		m, _ := mapping.New(mapping.Default("OIDC"))
		all[i].UID, all[i].Namespace, all[i].Name, all[i].OrganizationID, all[i].Mapping = fmt.Sprint("u", i), "home", fmt.Sprint("u", i), "h", m
	}
	return all
}

// A mapping is compared expression by expression.
func TestEveryExpressionOfAMappingIsCompared(t *testing.T) {
	for i := range reflect.TypeFor[mapping.Source]().NumField() {
		s := mapping.Source{Subject: "claims.a"}
		text := "claims.b"
		reflect.ValueOf(&s).Elem().Field(i).SetString(text)
		one, problems := mapping.New(s)
		if problems != nil {
			t.Fatal(problems)
		}
		none, _ := mapping.New(mapping.Source{Subject: "claims.a"})
		w, v := newWorld(), newWorld()
		w.upstreams[0].Mapping, v.upstreams[0].Mapping = one, none
		there, back := plan.Snapshots(v.snapshot(), w.snapshot()), plan.Snapshots(w.snapshot(), v.snapshot())
		if len(there) != 1 || len(back) != 1 || there[0].Field != plan.FieldMapping {
			t.Errorf("another %s: %+v, and back %+v", reflect.TypeFor[mapping.Source]().Field(i).Name, there, back)
		}
	}
}

func (w *world) snapshot() *model.Snapshot {
	application, role, provider, holding := w.application, w.role, w.provider, w.holding
	if holding.Role == nil {
		holding.Role = &role
	}
	if application.Holdings == nil {
		application.Holdings = []model.Holding{holding}
	}
	home := w.home
	if home.Catalogue == nil {
		home.Catalogue = model.NewCatalogue([]model.Scope{w.scope})
	}
	if home.Providers == nil {
		home.Providers = []*model.Provider{&provider}
		for _, p := range w.upstreams {
			home.Providers = append(home.Providers, &p)
		}
	}
	organizations := []*model.Organization{
		home.WithMembers([]*model.Application{&application}, map[string][]model.Holding{"ann@example.com": {holding}}).WithGroups(w.groups, w.defaults),
		w.other.WithMembers(nil, nil),
	}
	return model.NewSnapshot("", organizations, []*model.Provider{&provider}, w.objects)
}

// A field that no plan compares could be changed without anybody being told.
func TestEveryFieldOfTheModelIsCompared(t *testing.T) {
	if changes := plan.Snapshots(newWorld().snapshot(), newWorld().snapshot()); len(changes) > 0 {
		t.Fatalf("a world differs from itself: %+v", changes)
	}
	for _, part := range []struct {
		of     func(*world) any
		except []string // unexported or pointers; those are parts of their own here
	}{
		{func(w *world) any { return &w.application }, nil},
		{func(w *world) any { return &w.application.Secrets[0] }, nil},
		{func(w *world) any { return &w.application.Proofs.Keys[0] }, []string{"Public"}}, // the thumbprint is of it
		{func(w *world) any { return &w.application.Proofs.ServiceAccounts[0] }, nil},
		{func(w *world) any { return &w.home }, []string{"Catalogue", "Providers", "byClientID", "byUID", "people", "groups", "defaults",
			"Branding.Logo", "Branding.StylePath", "Branding.Style"}},
		{func(w *world) any { return &w.role }, []string{"Default"}}, // by the organization's list of them
		{func(w *world) any { return &w.holding }, []string{"Role"}},
		{func(w *world) any { return &w.provider }, settingsOfTypes},
		{func(w *world) any { return &w.upstreams[0] }, settingsOfTypes},
		{func(w *world) any { return w.upstreams[0].OIDC }, nil},
		{func(w *world) any { return w.upstreams[1].OAuth2 }, nil},
		{func(w *world) any { return w.upstreams[2].GitHub }, nil},
		{func(w *world) any { return w.upstreams[3].SAML }, nil},
		{func(w *world) any { return w.upstreams[4].LDAP }, []string{"GroupSearch"}},
		{func(w *world) any { return w.upstreams[4].LDAP.GroupSearch }, nil},
		{func(w *world) any { return w.provider.Local }, nil},
		{func(w *world) any { return &w.scope }, nil},
	} {
		of := reflect.TypeOf(part.of(newWorld())).Elem()
		for _, path := range paths(of, part.except, "", nil) {
			w := newWorld()
			another(t, of.Name()+"."+path.name, reflect.ValueOf(part.of(w)).Elem().FieldByIndex(path.index))
			there, back := plan.Snapshots(newWorld().snapshot(), w.snapshot()), plan.Snapshots(w.snapshot(), newWorld().snapshot())
			if len(there) == 0 || len(back) == 0 {
				t.Errorf("another %s.%s is no change: %v, and back: %v", of.Name(), path.name, there, back)
			}
		}
	}
	groups, defaults := newWorld(), newWorld()
	groups.groups = map[model.Group][]model.Holding{{ProviderUID: "p", Name: "g"}: {{Role: &groups.role}}}
	defaults.defaults = []*model.Role{&defaults.role}
	for what, w := range map[string]*world{"a group that holds a role": groups, "a role that members hold": defaults} {
		if there, back := plan.Snapshots(newWorld().snapshot(), w.snapshot()), plan.Snapshots(w.snapshot(), newWorld().snapshot()); len(there) == 0 || len(back) == 0 {
			t.Errorf("%s is no change: %v, and back: %v", what, there, back)
		}
	}
	w := newWorld()
	w.objects = []model.ObjectID{{Kind: "Role", Namespace: "home", Name: "empty", UID: "1"}}
	if len(plan.Snapshots(newWorld().snapshot(), w.snapshot())) == 0 {
		t.Error("an object more is no change")
	}
	made := newWorld()
	made.objects = []model.ObjectID{{Kind: "Role", Namespace: "home", Name: "empty", UID: "2"}}
	if len(plan.Snapshots(w.snapshot(), made.snapshot())) == 0 {
		t.Error("an object made anew is no change")
	}
}

// The snapshot itself (Adopted is in the IDs of what is served): whoever adds a field there has to say here that it is compared.
func TestTheFieldsOfASnapshotAreKnown(t *testing.T) {
	// Unread is of a cluster that is followed, and nothing that is declared.
	known := []string{"Digest", "Providers", "Objects", "Adopted", "Unread", "bySlug", "byID", "abroad", "brandings", "origins", "providers"}
	for i := range reflect.TypeFor[model.Snapshot]().NumField() {
		if f := reflect.TypeFor[model.Snapshot]().Field(i); !slices.Contains(known, f.Name) {
			t.Errorf("nobody compares %s of a Snapshot", f.Name)
		}
	}
}

func TestThePageTellsOfEveryField(t *testing.T) {
	page, err := os.ReadFile("../../docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range plan.Fields() {
		if !strings.Contains(string(page), "`"+field+"`") {
			t.Errorf("docs/gitops.md does not tell of %s", field)
		}
	}
}

type path struct {
	name  string
	index []int
}

// paths are the fields of a struct, and those of the structs in it.
func paths(of reflect.Type, except []string, prefix string, at []int) (all []path) {
	for i := range of.NumField() {
		f, where := of.Field(i), append(slices.Clone(at), i)
		switch {
		case slices.Contains(except, prefix+f.Name):
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() && f.Type != reflect.TypeFor[model.Sensitive]():
			all = append(all, paths(f.Type, except, prefix+f.Name+".", where)...)
		default:
			all = append(all, path{prefix + f.Name, where})
		}
	}
	return all
}

// another gives a field another value.
func another(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch at := v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(at.Add(time.Hour)))
		if at.IsZero() {
			v.Set(reflect.ValueOf(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	case model.Sensitive:
		v.Set(reflect.ValueOf(model.NewSensitive("another secret")))
	case []model.Holding:
		v.Set(reflect.ValueOf([]model.Holding{{Role: &model.Role{UID: "x", Namespace: "home", Name: "x"}}}))
	case []model.ClientSecret:
		v.Set(reflect.ValueOf([]model.ClientSecret{{Digest: model.SecretDigest{1}}}))
	case []jwk.Key:
		v.Set(reflect.ValueOf([]jwk.Key{{ID: "x", Thumbprint: "y"}}))
	case []model.ServiceAccount:
		v.Set(reflect.ValueOf([]model.ServiceAccount{{Namespace: "home", Name: "x"}}))
	case model.SecretDigest:
		v.Set(reflect.ValueOf(model.SecretDigest{1}))
	default:
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + int64(time.Minute))
		case reflect.Slice:
			// A set is never changed where it is: others may hold it.
			v.Set(reflect.Append(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, 2), v), reflect.ValueOf("zone:x").Convert(v.Type().Elem())))
		default:
			t.Fatalf("%s is a %v; say here how it changes", name, v.Type())
		}
	}
}
