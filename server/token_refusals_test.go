package server_test

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// What is wrong in several ways is refused for the first of them: the form, the grant
// type, the client, what the client may do, what it asks for.
func TestTokenEndpointLooksAtOneThingAfterTheOther(t *testing.T) {
	w := servertest.New(t)
	const cc = "client_credentials"
	for name, c := range map[string]struct {
		client string
		pairs  []string
		status int
		code   string
	}{
		"a duplicate before the grant type":                       {"acme.nobody", []string{"grant_type", "password", "x", "1", "x", "2"}, 400, "invalid_request"},
		"grant_type missing before the client":                    {"acme.nobody", nil, 400, "invalid_request"},
		"grant_type empty before the client":                      {"acme.nobody", []string{"grant_type", ""}, 400, "invalid_request"},
		"an unknown grant type before the client":                 {"acme.nobody", []string{"grant_type", "implicit"}, 400, "unsupported_grant_type"},
		"the grant type in another case":                          {machine, []string{"grant_type", "Client_Credentials"}, 400, "unsupported_grant_type"},
		"the client before the grant types it lists":              {"acme.nobody", []string{"grant_type", "refresh_token"}, 401, "invalid_client"},
		"the client before the scope":                             {"acme.nobody", []string{"grant_type", cc, "scope", `"`}, 401, "invalid_client"},
		"the grant types it lists before the parameters":          {machine, []string{"grant_type", servertest.DeviceGrant}, 400, "unauthorized_client"},
		"the grant types it lists before the scope":               {cli, []string{"grant_type", cc, "scope", `"`}, 400, "unauthorized_client"},
		"password, which no client may use (RFC 9700 2.4)":        {cli, []string{"grant_type", "password", "username", "u", "password", "p"}, 400, "unsupported_grant_type"},
		"authorization_code by a device application":              {cli, []string{"grant_type", "authorization_code", "code", "x"}, 400, "unauthorized_client"},
		"a machine that refreshes":                                {machine, []string{"grant_type", "refresh_token", "refresh_token", "x"}, 400, "unauthorized_client"},
		"a device application that does not list refresh_token":   {servertest.OtherCLI, []string{"grant_type", "refresh_token", "refresh_token", "x"}, 400, "unauthorized_client"},
		"a poll without device_code":                              {cli, []string{"grant_type", servertest.DeviceGrant}, 400, "invalid_request"},
		"a poll with an empty device_code":                        {cli, []string{"grant_type", servertest.DeviceGrant, "device_code", ""}, 400, "invalid_request"},
		"a refresh without refresh_token":                         {cli, []string{"grant_type", "refresh_token"}, 400, "invalid_request"},
		"a scope that the catalogue lacks":                        {machine, []string{"grant_type", cc, "scope", "org:none"}, 400, "invalid_scope"},
		"a scope that the catalogue lacks beside one that it has": {machine, []string{"grant_type", cc, "scope", "org:read org:none"}, 400, "invalid_scope"},
		"a scope beyond the ceiling":                              {machine, []string{"grant_type", cc, "scope", "project:admin"}, 400, "invalid_scope"},
		"openid alone, which says nothing of a machine":           {machine, []string{"grant_type", cc, "scope", "openid"}, 400, "invalid_scope"},
		"a malformed scope":                                       {machine, []string{"grant_type", cc, "scope", `org:"read`}, 400, "invalid_scope"},
		"a scope of another alphabet":                             {machine, []string{"grant_type", cc, "scope", "org:réad"}, 400, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, w.Post(t, tokenAt, c.client, c.pairs...), c.status, c.code) })
	}
}

func TestClientCredentialsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*servertest.World)
		client string
		scope  string
		code   string
	}{
		"a public client that lists the grant type": {func(w *servertest.World) {
			w.Declared.Applications[cli].GrantTypes = []oauth.GrantType{oauth.ClientCredentials}
		}, cli, "", "unauthorized_client"},
		"a machine that no role names": {func(w *servertest.World) { delete(w.Declared.Holdings["acme"], machine) }, machine, "", "invalid_scope"},
		"a role whose time is over":    {func(w *servertest.World) { w.Declared.NotAfter["acme reader"] = w.Now() }, machine, "", "invalid_scope"},
		"what the roles do not give": {func(w *servertest.World) {
			w.Declared.Roles["acme reader"].Scopes = oauth.NewScopeSet("org:read")
		}, machine, "project:write", "invalid_scope"},
		"an empty ceiling": {func(w *servertest.World) { w.Declared.Applications[machine].Scopes = nil }, machine, "", "invalid_scope"},
		"a role beyond the ceiling": {func(w *servertest.World) {
			w.Declared.Roles["acme reader"].Scopes = oauth.NewScopeSet("project:admin")
		}, machine, "", "invalid_scope"},
		"offline_access alone": {func(*servertest.World) {}, machine, "offline_access", "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			c.change(w)
			w.Publish(t)
			refused(t, w.Post(t, tokenAt, c.client, "grant_type", "client_credentials", "scope", c.scope), 400, c.code)
		})
	}
}

// RFC 8628 section 3.5.
func TestPollRefuses(t *testing.T) {
	type poll struct {
		*servertest.World
		t          *testing.T
		user, code string
	}
	approve := func(p poll) { p.Approve(p.t, p.user, servertest.Ann) }
	by := func(client string) func(poll) servertest.Answer {
		return func(p poll) servertest.Answer { approve(p); return p.Poll(p.t, client, p.code) }
	}
	after := func(do ...func(poll)) func(poll) servertest.Answer {
		return func(p poll) servertest.Answer {
			for _, d := range do {
				d(p)
			}
			p.Publish(p.t)
			return p.Poll(p.t, cli, p.code)
		}
	}
	pass := func(d time.Duration) func(poll) { return func(p poll) { p.Pass(d) } }
	deny := func(p poll) { p.Deny(p.t, p.user) }
	redeem := func(p poll) { p.Poll(p.t, cli, p.code) }
	for name, c := range map[string]struct {
		poll   func(poll) servertest.Answer
		status int
		code   string
	}{
		"a code that nobody has approved":                 {after(), 400, "authorization_pending"},
		"a poll that comes too fast":                      {after(redeem), 400, "slow_down"},
		"a code that was denied":                          {after(deny), 400, "access_denied"},
		"a code that was denied, polled fast":             {after(redeem, deny), 400, "access_denied"},
		"a code that has expired":                         {after(pass(10 * time.Minute)), 400, "expired_token"},
		"a code that has expired, polled fast":            {after(pass(10*time.Minute), redeem), 400, "expired_token"},
		"a code that has expired though it was approved":  {after(approve, pass(10*time.Minute)), 400, "expired_token"},
		"a code that was used":                            {after(approve, redeem), 400, "invalid_grant"},
		"a code that was used, long ago":                  {after(approve, redeem, pass(10*time.Minute)), 400, "invalid_grant"},
		"a code of another client":                        {by(servertest.OtherCLI), 400, "invalid_grant"},
		"a code of another client, which is confidential": {by(servertest.Box), 400, "invalid_grant"},
		"a code of a client in another organization":      {by(servertest.GlobexCLI), 400, "invalid_grant"},
		"the user code in its place":                      {func(p poll) servertest.Answer { approve(p); return p.Poll(p.t, cli, p.user) }, 400, "invalid_grant"},
		"a code that is cut":                              {func(p poll) servertest.Answer { approve(p); return p.Poll(p.t, cli, p.code[:42]) }, 400, "invalid_grant"},
		"a code with more at its end":                     {func(p poll) servertest.Answer { approve(p); return p.Poll(p.t, cli, p.code+"A") }, 400, "invalid_grant"},
		"an application that was made anew": {after(approve, func(p poll) {
			p.Declared.Applications[cli].UID = "5f0e8a0e-0000-4000-8000-0000000000ff"
		}), 400, "invalid_grant"},
		"an application that was gone meanwhile": {after(approve, func(p poll) { comesBack(p.t, p.World) }), 400, "access_denied"},
		"an application that lists the device flow no more": {after(approve, func(p poll) {
			p.Declared.Applications[cli].GrantTypes = []oauth.GrantType{oauth.RefreshToken}
		}), 400, "unauthorized_client"},
		"an approval of somebody who is no member now": {after(approve, func(p poll) {
			delete(p.Declared.Holdings["acme"], servertest.Ann.Email)
		}), 400, "access_denied"},
		"an approval by a sign-in that counts no more": {after(approve, func(p poll) {
			p.Declared.Organizations["acme"].Providers = nil
		}), 400, "access_denied"},
		"an approval of somebody whose account is disabled now": {after(approve, func(p poll) { disable(p.t, p.World) }), 400, "access_denied"},
		"an approval of scopes that the role gives no more": {after(approve, func(p poll) {
			p.Declared.Roles["acme developer"].Scopes = oauth.NewScopeSet("project:admin")
		}), 400, "access_denied"},
		"an approval of scopes that the ceiling has no more": {after(approve, func(p poll) {
			p.Declared.Applications[cli].Scopes = nil
		}), 400, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			device := w.StartDevice(t, cli, "scope", "project:write offline_access")
			refused(t, c.poll(poll{w, t, device.Text("user_code"), device.Text("device_code")}), c.status, c.code)
		})
	}
	t.Run("a confidential client's code without its secret", func(t *testing.T) {
		w := servertest.New(t)
		device := w.StartDevice(t, servertest.Box)
		w.Approve(t, device.Text("user_code"), servertest.Ann)
		refused(t, w.Post(t, tokenAt, "", "grant_type", servertest.DeviceGrant, "client_id", servertest.Box, "device_code", device.Text("device_code")), 401, "invalid_client")
	})
}

func disable(t *testing.T, w *servertest.World) {
	t.Helper()
	if err := w.Store.SetDisabled(t.Context(), servertest.Ann.ID, true, store.Event{Time: w.Now(), Action: "user.disabled"}); err != nil {
		t.Fatal(err)
	}
}

// ASVS 10.4.5, RFC 9700 section 4.14. What is refused burns nothing: the token works when
// the cause is gone, unless the cause is that it is not the one in force.
func TestRefreshRefuses(t *testing.T) {
	token := func(give func(w *servertest.World, refresh, access string) string) func(*testing.T, *servertest.World, servertest.Answer) servertest.Answer {
		return func(t *testing.T, w *servertest.World, in servertest.Answer) servertest.Answer {
			return w.Refresh(t, cli, give(w, in.Text("refresh_token"), in.Text("access_token")))
		}
	}
	scope := func(asked string) func(*testing.T, *servertest.World, servertest.Answer) servertest.Answer {
		return func(t *testing.T, w *servertest.World, in servertest.Answer) servertest.Answer {
			return w.Refresh(t, cli, in.Text("refresh_token"), "scope", asked)
		}
	}
	by := func(client string) func(*testing.T, *servertest.World, servertest.Answer) servertest.Answer {
		return func(t *testing.T, w *servertest.World, in servertest.Answer) servertest.Answer {
			w.Declared.Applications[client].GrantTypes = append(w.Declared.Applications[client].GrantTypes, oauth.RefreshToken)
			w.Publish(t)
			return w.Refresh(t, client, in.Text("refresh_token"))
		}
	}
	for name, c := range map[string]struct {
		use  func(*testing.T, *servertest.World, servertest.Answer) servertest.Answer
		code string
	}{
		"an unknown token":                                 {token(func(*servertest.World, string, string) string { return "grt_unknown" }), "invalid_grant"},
		"the access token in its place":                    {token(func(_ *servertest.World, _, access string) string { return access }), "invalid_grant"},
		"an access token that is called refresh":           {token(func(_ *servertest.World, _, access string) string { return "grt_" + access[4:] }), "invalid_grant"},
		"a token that is cut":                              {token(func(_ *servertest.World, refresh, _ string) string { return refresh[:len(refresh)-1] }), "invalid_grant"},
		"a token with more at its end":                     {token(func(_ *servertest.World, refresh, _ string) string { return refresh + "0" }), "invalid_grant"},
		"a token with its prefix in another case":          {token(func(_ *servertest.World, refresh, _ string) string { return "GRT_" + refresh[4:] }), "invalid_grant"},
		"a token of another client":                        {by(servertest.OtherCLI), "invalid_grant"},
		"a token of another client, which is confidential": {by(servertest.Box), "invalid_grant"},
		"a token of a client in another organization":      {by(servertest.GlobexCLI), "invalid_grant"},
		"a scope that was not granted":                     {scope("project:write"), "invalid_scope"},
		"a scope beside one that was granted":              {scope("project:read project:write"), "invalid_scope"},
		"a scope that the catalogue lacks":                 {scope("org:none"), "invalid_scope"},
		"a malformed scope":                                {scope("org:read\tproject:read"), "invalid_scope"},
		"offline_access alone":                             {scope("offline_access"), "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			in := w.SignIn(t, cli, servertest.Ann, "scope", "org:read project:read offline_access")
			refused(t, c.use(t, w, in), 400, c.code)
			if a := w.Refresh(t, cli, in.Text("refresh_token")); a.Status != 200 {
				t.Errorf("afterwards the real one: %d %s", a.Status, a.Body)
			}
		})
	}
}

// Everything is checked again at each refresh (ASVS 7.4.2, 10.4.8).
func TestRefreshRefusesWhatIsNoLongerSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *servertest.World)
		status int
		code   string
	}{
		"the application was deleted":  {func(_ *testing.T, w *servertest.World) { delete(w.Declared.Applications, cli) }, 401, "invalid_client"},
		"the application is suspended": {func(_ *testing.T, w *servertest.World) { w.Declared.Applications[cli].Suspended = true }, 401, "invalid_client"},
		"the application has expired":  {func(_ *testing.T, w *servertest.World) { w.Declared.Applications[cli].ExpiresAt = w.Now() }, 401, "invalid_client"},
		"the application was made anew": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Applications[cli].UID = "5f0e8a0e-0000-4000-8000-0000000000ff"
		}, 400, "invalid_grant"},
		"the application was gone": {comesBack, 400, "invalid_grant"},
		"the application may not refresh": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Applications[cli].GrantTypes = []oauth.GrantType{oauth.DeviceCode}
		}, 400, "unauthorized_client"},
		"the organization is suspended": {func(_ *testing.T, w *servertest.World) { w.Declared.Organizations["acme"].Suspended = true }, 401, "invalid_client"},
		"the organization was deleted":  {func(_ *testing.T, w *servertest.World) { delete(w.Declared.Organizations, "acme") }, 401, "invalid_client"},
		"the organization was made anew": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Organizations["acme"].ID = "5f0e8a0e-0000-4000-8000-0000000000fe"
		}, 400, "invalid_grant"},
		"the account is disabled":    {disable, 400, "invalid_grant"},
		"the person is no member":    {func(_ *testing.T, w *servertest.World) { delete(w.Declared.Holdings["acme"], servertest.Ann.Email) }, 400, "invalid_grant"},
		"the role's time is over":    {func(_ *testing.T, w *servertest.World) { w.Declared.NotAfter["acme developer"] = w.Now() }, 400, "invalid_grant"},
		"the sign-in counts no more": {func(_ *testing.T, w *servertest.World) { w.Declared.Organizations["acme"].Providers = nil }, 400, "invalid_grant"},
		"the role gives nothing granted": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Roles["acme developer"].Scopes = oauth.NewScopeSet("project:admin")
		}, 400, "invalid_scope"},
		"the ceiling has nothing granted": {func(_ *testing.T, w *servertest.World) { w.Declared.Applications[cli].Scopes = nil }, 400, "invalid_scope"},
		"it was idle":                     {func(_ *testing.T, w *servertest.World) { w.Pass(24 * time.Hour) }, 400, "invalid_grant"},
		"the idle limit was lowered": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Organizations["acme"].Tokens.RefreshIdle = time.Second
		}, 400, "invalid_grant"},
		"the absolute limit was lowered": {func(_ *testing.T, w *servertest.World) {
			w.Declared.Organizations["acme"].Tokens.RefreshAbsolute = time.Second
		}, 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			refresh := w.SignIn(t, cli, servertest.Ann).Text("refresh_token")
			w.Pass(time.Second)
			c.change(t, w)
			w.Publish(t)
			refused(t, w.Refresh(t, cli, refresh), c.status, c.code)
		})
	}
}
