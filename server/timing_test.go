package server

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/jwk"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// medians calls each of two in turn, n times, and returns how long they take.
func medians(n int, one, other func()) (time.Duration, time.Duration) {
	var took [2][]time.Duration
	for range n {
		for i, do := range []func(){one, other} {
			start := time.Now()
			do()
			took[i] = append(took[i], time.Since(start))
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][n/2], took[1][n/2]
}

// alike fails only for what no noise explains: medians of n tries that differ by more than
// the factor, three times over. The figures are for the reader.
func alike(t *testing.T, factor time.Duration, n int, one, other func()) {
	t.Helper()
	for range 3 {
		known, unknown := medians(n, one, other)
		t.Logf("medians: known %v, unknown %v", known, unknown)
		if known <= factor*unknown && unknown <= factor*known {
			return
		}
	}
	t.Errorf("the medians differ by more than %d times", factor)
}

// ASVS 6.3.8
func TestUnknownClientTakesAsLongAsWrongSecret(t *testing.T) {
	w := newTown(t)
	w.RateLimitScale = 0
	if err := w.prepare(); err != nil {
		t.Fatal(err)
	}
	w.app.Secrets = []model.ClientSecret{{Digest: w.Keyring.DigestKey().Digest([]byte("the right secret"))}}
	w.publish(t)
	b := w.open()
	as := func(client string) func() {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {"wrong"}}
		return func() {
			if answer := b.post("/oauth/token/", form); answer.Code != 401 {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
	}
	alike(t, 3, 200, as("acme.apps.cli"), as("acme.apps.nil"))
}

// ASVS 6.3.8: a signature is verified for nobody too, of whatever algorithm.
func TestUnknownClientTakesAsLongAsWrongAssertion(t *testing.T) {
	w := newTown(t)
	w.RateLimitScale = 0
	if err := w.prepare(); err != nil {
		t.Fatal(err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.app.Proofs.Keys = []jwk.Key{{ID: "k", Algorithms: []string{"RS256"}, Public: private.Public()}}
	w.publish(t)
	b := w.open()
	encode := base64.RawURLEncoding.EncodeToString
	as := func(client, kid string) func() {
		claims := fmt.Sprintf(`{"iss":%q,"sub":%[1]q,"aud":%q,"exp":%d,"jti":"x"}`, client, w.Issuer, w.Now().Unix()+60)
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {encode([]byte(`{"alg":"RS256","kid":"`+kid+`"}`)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 256))},
		}
		return func() {
			if answer := b.post("/oauth/token/", form); answer.Code != 401 {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
	}
	alike(t, 2, 200, as("acme.apps.cli", "k"), as("acme.apps.nil", "k"))
	alike(t, 2, 200, as("acme.apps.cli", "k"), as("acme.apps.cli", "another"))
}

// ASVS 6.3.8: the password of nobody is hashed too.
func TestUnknownPersonTakesAsLongAsWrongPassword(t *testing.T) {
	w := newTown(t)
	as := func(email string) func() {
		return func() {
			if _, err := w.directory.SignIn(t.Context(), w.Now(), email, "wrong"); err == nil {
				t.Fatal("signed in")
			}
		}
	}
	alike(t, 2, 20, as("ann@example.com"), as("nobody@example.com"))
}

// ASVS 6.3.8: what is known of nobody is looked for too.
func TestAnUnknownAddressIsLookedUpForAsLongAsAKnownOne(t *testing.T) {
	w := newTown(t)
	as := func(email string) func() { return func() { _, _ = w.Store.UserByEmail(t.Context(), email) } }
	alike(t, 2, 2000, as("ann@example.com"), as("nobody@example.com"))
}

// ASVS 6.3.8: whoever forgot is answered before anybody has looked for the account.
func TestUnknownPersonWhoForgotIsAnsweredAsFastAsAKnownOne(t *testing.T) {
	w, _ := withMail(t)
	w.RateLimitScale = 0
	must(t, w.prepare())
	w.errands.within = 10_000 * time.Hour // what comes after the answer is not measured
	b := w.open()
	form := fields(t, b.get(forgotPath), forgotPath)
	as := func(email string) func() {
		form := url.Values{"token": form["token"], "email": {email}}
		return func() {
			if answer := b.post(forgotPath, form); answer.Code != 200 {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
	}
	alike(t, 2, 200, as("ann@example.com"), as("nobody@example.com"))
	w.errands = newErrands() // nobody waits for those
}
