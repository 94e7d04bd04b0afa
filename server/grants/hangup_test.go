package grants_test

import (
	"context"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/oauth"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/grants"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// leaver is the store of a caller who hangs up once what they presented was looked up.
type leaver struct {
	*store.Cache
	hangUp context.CancelFunc
}

func (l leaver) AuthorizationCode(ctx context.Context, hash []byte) (store.AuthorizationCode, error) {
	defer l.hangUp()
	return l.Cache.AuthorizationCode(ctx, hash)
}

// freshLeaver hangs up once the grant of a refresh token was read again.
type freshLeaver struct {
	*store.DB
	hangUp context.CancelFunc
}

func (l freshLeaver) Grant(ctx context.Context, id [16]byte) (store.Grant, error) {
	defer l.hangUp()
	return l.DB.Grant(ctx, id)
}

// present sends a form to the token endpoint's pipeline and hangs up before the verdict.
func present(t *testing.T, w *servertest.World, kind oauth.GrantType, client string, pairs ...string) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	from := leaver{store.NewCache(w.Store), hangUp}
	minter := tokens.NewMinter(w.HTTP.URL, w.Keys)
	p := &grants.Pipeline{Issuer: w.HTTP.URL, Store: from, Fresh: freshLeaver{w.Store, hangUp}, Tokens: minter, Decide: &decide.Decider{Store: from, Tokens: minter}}
	world := &decide.World{Snapshot: w.Declared.Snapshot()}
	organization, application := world.Application(client)
	_, err := p.Issue(ctx, kind, &grants.Request{
		World: world, Now: w.Now(), Form: servertest.Form(pairs...),
		Client: clientauth.Client{Organization: organization, Application: application},
	})
	if err == nil || ctx.Err() == nil {
		t.Fatalf("got %v, context %v", err, ctx.Err())
	}
}

// RFC 9700 sections 4.5 and 4.14.2: a code in the wrong hands is burned, and what is used
// twice ends, whether or not its thief waits for the answer.
func TestNobodyTriesACodeOrTokenUnseenByHangingUp(t *testing.T) {
	w := servertest.New(t)
	b := w.SignedIn(t, servertest.Ann)

	code := b.Code(t, servertest.SPA)
	present(t, w, oauth.AuthorizationCode, servertest.Native, "code", code)
	if a := w.Redeem(t, servertest.SPA, code); a.Text("error") != "invalid_grant" {
		t.Errorf("a code that another client presented: %d %s", a.Status, a.Body)
	}

	code = b.Code(t, servertest.SPA, "scope", "org:read")
	a := w.Redeem(t, servertest.SPA, code)
	present(t, w, oauth.AuthorizationCode, servertest.SPA, "code", code)
	if again := w.Refresh(t, servertest.SPA, a.Text("refresh_token")); again.Text("error") != "invalid_grant" {
		t.Errorf("after a replayed code: %d %s", again.Status, again.Body)
	}

	first := w.Redeem(t, servertest.SPA, b.Code(t, servertest.SPA, "scope", "org:read")).Text("refresh_token")
	second := w.Refresh(t, servertest.SPA, first).Text("refresh_token")
	third := w.Refresh(t, servertest.SPA, second).Text("refresh_token")
	present(t, w, oauth.RefreshToken, servertest.SPA, "refresh_token", first)
	if again := w.Refresh(t, servertest.SPA, third); again.Text("error") != "invalid_grant" {
		t.Errorf("after a reused refresh token: %d %s", again.Status, again.Body)
	}
}
