package server_test

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
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

// published is the ids of the keys at /oauth/jwks.json.
func published(t *testing.T, w *servertest.World) (kids []string) {
	t.Helper()
	a := w.Get(t, "/oauth/jwks.json", "")
	var set struct {
		Keys []struct {
			KID, Alg, Use string
		}
	}
	if err := json.Unmarshal(a.Body, &set); err != nil || a.Status != 200 {
		t.Fatalf("%d %s: %v", a.Status, a.Body, err)
	}
	for _, k := range set.Keys {
		if k.Use != "sig" || k.Alg != keyring.RS256 && k.Alg != keyring.ES256 {
			t.Errorf("key %+v", k)
		}
		kids = append(kids, k.KID)
	}
	return kids
}

func kidsOf(keys *keyring.Keyring) (kids []string) {
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		for _, k := range keys.SigningKeys(alg) {
			kids = append(kids, k.KID)
		}
	}
	return kids
}

// Whoever verifies our tokens knows a key before it signs, and for as long as it protects
// anything; compromised ones are gone at once.
func TestPublicKeysArePublishedBeforeTheySignAndUntilTheyProtectNothing(t *testing.T) {
	w := servertest.New(t)
	want := func(kids []string) {
		t.Helper()
		if got := published(t, w); !slices.Equal(got, kids) {
			t.Errorf("%q are published, want %q", got, kids)
		}
	}
	want(kidsOf(w.Keys))
	rotated, err := w.Keys.Rotate(rand.Reader, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Server.UseKeys(rotated)
	want(kidsOf(rotated))
	w.Pass(keyring.Lead + keyring.LongestAccess - time.Second)
	want(kidsOf(rotated))
	w.Pass(2 * time.Second)
	var youngest []string
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		youngest = append(youngest, rotated.SigningKeys(alg)[1].KID)
	}
	want(youngest)
	replaced, err := rotated.Replace(rand.Reader, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.Server.UseKeys(replaced)
	want(kidsOf(replaced))
}

// A copy of the key set must not be kept so long that a next key signs meanwhile.
func TestTheKeySetIsNotKeptUntilANextKeySigns(t *testing.T) {
	w := servertest.New(t)
	control := w.Get(t, "/oauth/jwks.json", "").Header.Get("Cache-Control")
	_, age, _ := strings.Cut(control, "public, max-age=")
	seconds, err := strconv.Atoi(age)
	if kept := time.Duration(seconds) * time.Second; err != nil || kept <= 0 || kept > keyring.Lead/2 {
		t.Errorf("Cache-Control %q", control)
	}
}

// asJWT returns an opaque access token as a JWT: of the same grant, the same life and serial.
func asJWT(t *testing.T, w *servertest.World, opaque string) string {
	t.Helper()
	m := tokens.NewMinter(w.HTTP.URL, w.Keys)
	a, ok := m.ParseAccess(opaque)
	if !ok {
		t.Fatal("it is not ours")
	}
	text, err := m.MintAccessJWT(a, servertest.Ann.ID, cli, "acme")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ASVS 9.2.1: whoever asks us learns that a JWT has ended, for whatever reason it has.
func TestAnAccessJWTEndsWithItsTimeItsGrantAndItsKey(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *servertest.World, servertest.Answer, string){
		"time": func(_ *testing.T, w *servertest.World, _ servertest.Answer, _ string) { w.Pass(keyring.LongestAccess) },
		"grant": func(t *testing.T, w *servertest.World, in servertest.Answer, _ string) {
			w.Post(t, revokeAt, cli, "token", in.Text("refresh_token"))
		},
		"revocation": func(t *testing.T, w *servertest.World, _ servertest.Answer, jwt string) {
			w.Post(t, revokeAt, cli, "token", jwt)
		},
		"key": func(t *testing.T, w *servertest.World, _ servertest.Answer, _ string) {
			replaced, err := w.Keys.Replace(rand.Reader, w.Now())
			if err != nil {
				t.Fatal(err)
			}
			w.Server.UseKeys(replaced)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servertest.New(t)
			in := w.SignIn(t, cli, servertest.Ann)
			jwt := asJWT(t, w, in.Text("access_token"))
			active(t, w, jwt, in.Text("scope"))
			if a := w.Get(t, "/api/0/user/", jwt); a.Status != 200 || a.Text("id") != servertest.Ann.ID {
				t.Errorf("the API answers %d %s", a.Status, a.Body)
			}
			end(t, w, in, jwt)
			inactive(t, w, jwt)
			if a := w.Get(t, "/api/0/user/", jwt); a.Status != 401 {
				t.Errorf("the API answers %d", a.Status)
			}
		})
	}
}

// ASVS 9.2.2: an ID token is for its client, and opens nothing here.
func TestAnIDTokenIsNoAccessToken(t *testing.T) {
	w := servertest.New(t)
	m := tokens.NewMinter(w.HTTP.URL, w.Keys)
	for _, alg := range []string{keyring.RS256, keyring.ES256} {
		id, err := m.MintIDToken(alg, &tokens.IDToken{
			Subject: servertest.Ann.ID, Audience: cli, IssuedAt: w.Now(), ExpiresAt: w.Now().Add(10 * time.Minute),
			OrganizationSlug: "acme", OrganizationID: w.Declared.Organizations["acme"].ID,
		})
		if err != nil {
			t.Fatal(err)
		}
		inactive(t, w, id)
		for _, path := range []string{"/api/0/user/", "/api/0/organizations/", "/oauth/userinfo/"} {
			if a := w.Get(t, path, id); a.Status != 401 {
				t.Errorf("%s answers %d to an ID token", path, a.Status)
			}
		}
	}
}
