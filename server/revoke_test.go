package server_test

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

const revokeAt = "/oauth/revoke/"

func TestRevocationRefuses(t *testing.T) {
	w := servertest.New(t)
	token := w.SignIn(t, cli, servertest.Ann).Text("access_token")
	for name, c := range map[string]struct {
		client string
		pairs  []string
		status int
		code   string
	}{
		"a request without a token":                     {cli, nil, 400, "invalid_request"},
		"an empty token":                                {cli, []string{"token", ""}, 400, "invalid_request"},
		"the token twice":                               {cli, []string{"token", token, "token", token}, 400, "invalid_request"},
		"the client before the token":                   {"acme.nobody", nil, 401, "invalid_client"},
		"whoever has the token and is not the client":   {"", []string{"token", token}, 401, "invalid_client"},
		"a confidential client that sends no secret":    {"", []string{"token", token, "client_id", machine}, 401, "invalid_client"},
		"a public client that is not known, with token": {"acme.nobody", []string{"token", token}, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, w.Post(t, revokeAt, c.client, c.pairs...), c.status, c.code)
			active(t, w, token, "org:read project:read project:write")
		})
	}
}

// RFC 7009 section 2.2: 200 for what nobody knows, and nothing happens.
func TestRevocationOfWhatIsNotTheClientsDoesNothing(t *testing.T) {
	w := servertest.New(t)
	in := w.SignIn(t, cli, servertest.Ann)
	access, refresh := in.Text("access_token"), in.Text("refresh_token")
	robot := machineToken(t, w, machine)
	for name, c := range map[string]struct{ client, token string }{
		"an unknown token":                              {cli, "unknown"},
		"another client's access token":                 {servertest.OtherCLI, access},
		"another client's refresh token":                {servertest.OtherCLI, refresh},
		"another organization's access token":           {servertest.GlobexCLI, access},
		"another organization's refresh token":          {servertest.GlobexBot, refresh},
		"a machine's token, by a public client":         {cli, robot},
		"a machine's token, by one that introspects it": {servertest.Gateway, robot},
		"a person's token, by one that introspects it":  {machine, access},
		"an altered access token":                       {cli, access[:len(access)-1] + flip(access[len(access)-1])},
		"an altered refresh token":                      {cli, refresh[:len(refresh)-1] + flip(refresh[len(refresh)-1])},
		"a refresh token without its prefix":            {cli, refresh[4:]},
		"an access token called refresh":                {cli, "grt_" + access[4:]},
	} {
		t.Run(name, func(t *testing.T) {
			revokes(t, w, c.client, c.token)
			active(t, w, access, "org:read project:read project:write")
			active(t, w, robot, "org:read project:read")
		})
	}
	if a := w.Refresh(t, cli, refresh); a.Status != 200 {
		t.Errorf("the refresh token afterwards: %d %s", a.Status, a.Body)
	}
}

func revokes(t *testing.T, w *servertest.World, client, token string) {
	t.Helper()
	if a := w.Post(t, revokeAt, client, "token", token, "token_type_hint", "nonsense"); a.Status != 200 || string(a.Body) != "{}" {
		t.Errorf("got %d %s, want 200 {}", a.Status, a.Body)
	}
}

func TestRevokingAnAccessTokenLeavesItsGrantAndARefreshTokenEndsIt(t *testing.T) {
	w := servertest.New(t)
	in := w.SignIn(t, cli, servertest.Ann)
	revokes(t, w, cli, in.Text("access_token"))
	inactive(t, w, in.Text("access_token"))
	next := w.Refresh(t, cli, in.Text("refresh_token"))
	active(t, w, next.Text("access_token"), "org:read project:read project:write")

	revokes(t, w, cli, in.Text("refresh_token")) // of an old generation: whoever wants it gone means all of it
	inactive(t, w, next.Text("access_token"))
	refused(t, w.Refresh(t, cli, next.Text("refresh_token")), 400, "invalid_grant")
	revokes(t, w, cli, next.Text("refresh_token")) // twice is no error

	own := machineToken(t, w, machine)
	revokes(t, w, machine, own)
	inactive(t, w, own)
	w.Pass(time.Hour)
	revokes(t, w, machine, own) // expired
}
