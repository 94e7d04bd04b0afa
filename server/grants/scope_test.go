package grants

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

func client(ceiling ...string) clientauth.Client {
	catalogue := model.NewCatalogue([]model.Scope{
		{Name: "a:read", Includes: oauth.NewScopeSet("a:read")},
		{Name: "a:write", Includes: oauth.NewScopeSet("a:read", "a:write")},
		{Name: "b:read", Includes: oauth.NewScopeSet("b:read")},
	})
	app := &model.Application{Scopes: oauth.NewScopeSet(ceiling...), ProtocolScopes: oauth.NewScopeSet(oauth.OfflineAccess)}
	return clientauth.Client{
		Organization: model.Organization{Catalogue: catalogue}.WithMembers([]*model.Application{app}, nil), Application: app,
	}
}

func TestWhatIsRequestedIsExpandedAndWithinTheCeiling(t *testing.T) {
	listed := client("a:read", "a:write")
	unlisted := client("a:read", "a:write")
	unlisted.Application.ProtocolScopes = nil
	for _, c := range []struct {
		client    clientauth.Client
		raw, want string // want "!": invalid_scope
	}{
		{listed, "", "a:read a:write"},
		{listed, "  ", "a:read a:write"},
		{listed, "a:write", "a:read a:write"},
		{listed, "a:read offline_access", "a:read offline_access"},
		{unlisted, "a:read offline_access", "a:read"},
		{client("a:write"), "a:write", "!"}, // what it implies is beyond the ceiling
		{listed, "b:read", "!"},
		{listed, "none", "!"},
		{listed, "openid a:read", "a:read"}, // it lists offline_access alone
		{listed, "groups", ""},
		{listed, "a:read\ta:write", "!"},
	} {
		got, err := Requested(c.client, c.raw)
		if (err != nil) != (c.want == "!") || err == nil && got.String() != c.want {
			t.Errorf("%q: %v, %v; want %s", c.raw, got, err, c.want)
		}
	}
}

func TestRefusalsRepeatWhatLooksLikeAScopeOnly(t *testing.T) {
	c := client("a:read")
	for raw, want := range map[string]string{
		"adress":                           "invalid_scope: the organization has no such scope: adress",
		"x:read y:read":                    "invalid_scope: the organization has no such scope: x:read y:read",
		"a:write":                          "invalid_scope: beyond what the application may ask for: a:write",
		"gat_0A1b2C3d4E5f":                 "invalid_scope: the organization has no such scope",
		"0123456789abcdef01234":            "invalid_scope: the organization has no such scope",
		"b:" + strings.Repeat("x", 60_000): "invalid_scope: the organization has no such scope",
	} {
		if _, err := Requested(c, raw); err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, want %s", raw, err, want)
		}
	}
	var many []string
	for i := range 10_000 {
		many = append(many, fmt.Sprint("x:", i))
	}
	if _, err := Requested(c, strings.Join(many, " ")); err == nil || len(err.Error()) > 200 {
		t.Errorf("many: %.200v", err)
	}
}

func FuzzRequestedScopesNeverExceedTheCeiling(f *testing.F) {
	f.Add("a:write offline_access")
	f.Add("b:read \"")
	f.Fuzz(func(t *testing.T, raw string) {
		c := client("a:read", "a:write")
		got, err := Requested(c, raw)
		if beyond := got.Without(c.Application.Scopes).Without(c.Application.ProtocolScopes); err == nil && len(beyond) > 0 {
			t.Errorf("%q gives %v", raw, beyond)
		}
		if got, err := narrowed(c, raw, oauth.NewScopeSet("a:read")); err == nil && !oauth.NewScopeSet("a:read").Covers(got) {
			t.Errorf("%q narrows to %v", raw, got)
		}
	})
}
