package model

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// A field that no description shows changes what is served without anybody being told:
// the digest would be the same. UIDs and secrets are in the digest by themselves.
func TestEveryFieldOfAnApplicationIsDescribed(t *testing.T) {
	elsewhere := []string{"UID", "Secrets"}
	whole := Application{
		UID: "1", ClientID: "acme.web", GrantTypes: []oauth.GrantType{oauth.AuthorizationCode},
		ProtocolScopes: oauth.NewScopeSet(oauth.OpenID), Consent: Consent{Mode: ConsentRemember, MaxAge: time.Hour}, AnyOrganization: true,
	}
	eachChange(t, reflect.TypeFor[Application](), elsewhere, func(path string, change func(reflect.Value)) {
		changed := whole
		changed.ProtocolScopes = oauth.NewScopeSet(oauth.OpenID)
		change(reflect.ValueOf(&changed).Elem())
		if describe(&whole) == describe(&changed) {
			t.Errorf("the description of an application does not show its %s", path)
		}
	})
}

func TestEveryFieldOfAnOrganizationIsDescribed(t *testing.T) {
	elsewhere := []string{"ID", "CreatedAt", "Catalogue", "Providers", "byClientID", "byUID", "people", "groups", "defaults",
		"Branding.Logo", "Branding.StylePath", "Branding.Style"} // by LogoPath and PrimaryColor
	eachChange(t, reflect.TypeFor[Organization](), elsewhere, func(path string, change func(reflect.Value)) {
		whole, changed := Organization{Catalogue: NewCatalogue(nil)}, Organization{Catalogue: NewCatalogue(nil)}
		change(reflect.ValueOf(&changed).Elem())
		if whole.Describe() == changed.Describe() {
			t.Errorf("the description of an organization does not show its %s", path)
		}
	})
}

func describe(a *Application) string {
	return Organization{Catalogue: NewCatalogue(nil)}.WithMembers([]*Application{a}, nil).Describe()
}

// What the next snapshot does not allow is not allowed now.
func TestNothingIsLeftOfAFieldThatTheNextSnapshotEmpties(t *testing.T) {
	// Names, and what is neither more nor less; how consent and suspension are combined is
	// tested by themselves.
	kept := []string{"UID", "Namespace", "Name", "ClientID", "DisplayName", "Type", "IDTokenAlg", "ExpiresAt", "Suspended", "Consent.Mode", "Consent.MaxAge"}
	eachChange(t, reflect.TypeFor[Application](), kept, func(path string, change func(reflect.Value)) {
		var old, next Application
		change(reflect.ValueOf(&old).Elem())
		if left := reflect.ValueOf(*old.only(&next)); !reflect.DeepEqual(emptied(left), Application{}) {
			t.Errorf("an application keeps its %s: %+v", path, left)
		}
	})
	eachChange(t, reflect.TypeFor[TokenCeilings](), nil, func(path string, change func(reflect.Value)) {
		var old, next Organization
		change(reflect.ValueOf(&old.Tokens).Elem())
		if left := old.only(&next).Tokens; left != (TokenCeilings{}) {
			t.Errorf("an organization keeps its ceiling %s: %+v", path, left)
		}
	})
}

// Whatever either of two configurations refuses is refused while the next one waits.
func TestTheStricterRulesOfSignInAreLeft(t *testing.T) {
	loose := LoginRules{
		SSOMaxAge: 2 * time.Hour, SecondFactor: SecondFactorRule{ProviderAMR: true},
		Session: SessionLimits{Idle: time.Hour}, BreakGlass: []string{"ann@acme.com", "bob@acme.com"},
	}
	strict := LoginRules{
		EnforceSSO: true, SSOMaxAge: time.Hour, SecondFactor: SecondFactorRule{Required: true, GracePeriod: time.Minute},
		Session: SessionLimits{Idle: 2 * time.Hour, Absolute: time.Hour}, BreakGlass: []string{"bob@acme.com", "eve@acme.com"},
	}
	want := LoginRules{
		EnforceSSO: true, SSOMaxAge: time.Hour, SecondFactor: SecondFactorRule{Required: true, GracePeriod: time.Minute},
		Session: SessionLimits{Idle: time.Hour, Absolute: time.Hour}, BreakGlass: []string{"bob@acme.com"},
	}
	for _, got := range []LoginRules{loose.only(strict), strict.only(loose)} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v is left, want %+v", got, want)
		}
	}
	required := func(grace time.Duration) LoginRules {
		return LoginRules{SecondFactor: SecondFactorRule{Required: true, GracePeriod: grace}}
	}
	if got := required(time.Hour).only(required(0)).SecondFactor; got != (SecondFactorRule{Required: true}) {
		t.Errorf("a period of grace of which one side knows nothing is left: %+v", got)
	}
}

// emptied forgets the difference between an empty list and none, and that to ask each time
// has a name.
func emptied(v reflect.Value) Application {
	a := v.Interface().(Application)
	e := reflect.ValueOf(&a).Elem()
	for i := range e.NumField() {
		if f := e.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 {
			f.SetZero()
		}
	}
	if a.Consent == (Consent{Mode: ConsentExplicit}) {
		a.Consent = Consent{}
	}
	return a
}

func TestConsentIsAskedForAsOftenAsEitherSays(t *testing.T) {
	remember := func(d time.Duration) Consent { return Consent{Mode: ConsentRemember, MaxAge: d} }
	explicit, skip := Consent{Mode: ConsentExplicit}, Consent{Mode: ConsentSkip}
	for _, c := range []struct{ old, next, want Consent }{
		{explicit, skip, explicit}, {skip, explicit, explicit}, {skip, skip, skip}, {skip, Consent{}, Consent{}},
		{remember(2), remember(1), remember(1)}, {remember(1), remember(2), remember(1)},
		{skip, remember(1), remember(1)}, {remember(1), skip, remember(1)}, {remember(1), explicit, explicit}, {explicit, remember(1), explicit},
	} {
		if got := c.old.only(c.next); got != c.want {
			t.Errorf("%v, then %v: %v, want %v", c.old, c.next, got, c.want)
		}
	}
}

func TestApplicationsOfOthersAreAdmittedByBothOrNot(t *testing.T) {
	all, none := ExternalApplications{All: true}, ExternalApplications{}
	list := func(ids ...string) ExternalApplications { return ExternalApplications{ClientIDs: ids} }
	for _, c := range []struct {
		old, next ExternalApplications
		want      string
	}{
		{all, all, "all"}, {all, none, ""}, {none, all, ""}, {all, list("a"), "a"}, {list("a"), all, "a"}, {list("a", "b"), list("b", "c"), "b"},
	} {
		got := c.old.only(c.next)
		said := ""
		for _, id := range got.ClientIDs {
			said += id
		}
		if got.All {
			said = "all"
		}
		if said != c.want {
			t.Errorf("%v, then %v: %q, want %q", c.old, c.next, said, c.want)
		}
	}
}

// eachChange calls try for every field of a struct, and for those of structs in it, with a
// change that gives the field another value.
func eachChange(t *testing.T, of reflect.Type, except []string, try func(path string, change func(reflect.Value))) {
	t.Helper()
	tried := 0
	var walk func(of reflect.Type, path string, index []int)
	walk = func(of reflect.Type, path string, index []int) {
		for i := range of.NumField() {
			f := of.Field(i)
			at, where := path+f.Name, append(append([]int(nil), index...), i)
			if slices.Contains(except, at) {
				continue
			}
			if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() {
				walk(f.Type, at+".", where)
				continue
			}
			tried++
			try(at, func(v reflect.Value) { another(t, at, v.FieldByIndex(where)) })
		}
	}
	walk(of, "", nil)
	if tried < 4 {
		t.Errorf("only %d fields of %v were tried", tried, of)
	}
}

func another(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch at := v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(at.Add(time.Hour)))
	case []Holding:
		v.Set(reflect.ValueOf([]Holding{{Role: &Role{UID: "r"}}}))
	case []ClientSecret:
		v.Set(reflect.ValueOf([]ClientSecret{{Digest: SecretDigest{1}}}))
	case []jwk.Key:
		v.Set(reflect.ValueOf([]jwk.Key{{ID: "k", Thumbprint: "t", Algorithms: []string{"ES256"}}}))
	case []ServiceAccount:
		v.Set(reflect.ValueOf([]ServiceAccount{{"acme", "ci"}}))
	default:
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int64:
			v.SetInt(v.Int() + int64(time.Minute))
		case reflect.Slice:
			v.Set(reflect.Append(v, reflect.ValueOf("zone:x").Convert(v.Type().Elem())))
		default:
			t.Fatalf("%s is a %v; say here how it changes", path, v.Type())
		}
	}
}
