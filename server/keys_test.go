package server_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/servertest"
)

// signedBy reports whether one of the keys has signed the token.
func signedBy(w *servertest.World, keys *keyring.Keyring, token string) bool {
	_, ok := tokens.NewMinter(w.HTTP.URL, keys).ParseAccess(token)
	return ok
}

func TestTokensSurviveTheRotationOfKeys(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	before, scope := signedIn.Text("access_token"), signedIn.Text("scope")
	rotated, err := w.Keys.Rotate(rand.Reader, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Server.UseKeys(rotated)
	if early := w.SignIn(t, cli, servertest.Ann).Text("access_token"); !signedBy(w, w.Keys, early) {
		t.Error("the next key signs before its time")
	}
	w.Pass(keyring.Lead)
	active(t, w, before, scope)

	refreshed := w.Refresh(t, cli, signedIn.Text("refresh_token"))
	after := refreshed.Text("access_token")
	active(t, w, after, scope)
	if !signedBy(w, rotated, after) || signedBy(w, w.Keys, after) {
		t.Error("the new key does not sign")
	}
	active(t, w, w.Refresh(t, cli, refreshed.Text("refresh_token")).Text("access_token"), scope)

	// Long after, what began under the retired key is still refreshed.
	w.Pass(25 * time.Hour)
	again, err := rotated.Rotate(rand.Reader, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Server.UseKeys(again)
	late := w.SignIn(t, cli, servertest.Ann)
	w.Pass(keyring.Lead)
	active(t, w, w.Refresh(t, cli, late.Text("refresh_token")).Text("access_token"), scope)
}

func TestCompromisedKeysEndEveryTokenAtOnce(t *testing.T) {
	w := servertest.New(t)
	signedIn := w.SignIn(t, cli, servertest.Ann)
	own := machineToken(t, w, machine)
	replaced, err := w.Keys.Replace(rand.Reader, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Server.UseKeys(replaced)
	inactive(t, w, signedIn.Text("access_token"))
	inactive(t, w, own)
	if a := w.Get(t, "/api/0/user/", signedIn.Text("access_token")); a.Status != 401 {
		t.Errorf("the API answers %d", a.Status)
	}
	if a := w.Refresh(t, cli, signedIn.Text("refresh_token")); a.Status != 400 || a.Text("error") != "invalid_grant" {
		t.Errorf("a refresh is answered with %d %s", a.Status, a.Body)
	}
	active(t, w, w.SignIn(t, cli, servertest.Ann).Text("access_token"), signedIn.Text("scope"))
}
