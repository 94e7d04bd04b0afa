// Package kubelogin follows docs/kubectl.md with the real programs: a person signs in with
// gatehouse login, and kubectl acts in a real kube-apiserver as them and their Roles, which
// kube-apiserver reads from ID tokens that it checks by itself.
package kubelogin

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/tokens"
	"github.com/gatehouse-dev/gatehouse/test/keyringtest"
)

// Groups as the first AuthenticationConfiguration of the page names them.
const (
	deployer = "gatehouse:role:deployer"
	member   = "gatehouse:role:member"
)

func TestKubectlActsAsThePersonAndTheirRoles(t *testing.T) {
	h := build(t)
	h.declare()
	h.handOut()
	bare := h.hers(t.Context(), h.kubectlPath, "auth", "whoami", "--kubeconfig", h.annConfig)
	bare.Env = []string{"HOME=" + h.home, "PATH=" + h.home}
	if _, err := h.run(bare, ""); !says(err, "executable gatehouse not found") || !says(err, "gatehouse login --issuer "+h.issuer+" --client-id "+kubectl) {
		t.Errorf("on a machine without the program: %v", err)
	}
	if _, err := h.ann("auth", "whoami"); !says(err, "nobody is signed in; "+h.cure()) {
		t.Errorf("before anybody has signed in: %v", err)
	}
	h.trust(h.configuration("kube-apiserver"))
	h.signIn(kubectl, other)
	t.Logf("trusted without a restart after %v", h.soon(func() error { return h.isAnn(h.idToken(kubectl), deployer, member) }))

	t.Run("kubectl is the person, with their Roles as groups", func(t *testing.T) {
		out, err := h.ann("auth", "whoami")
		if err != nil || !strings.Contains(out, "gatehouse:"+ann) || !strings.Contains(out, deployer) || !strings.Contains(out, member) {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("what a binding gives to the group works, and nothing else", func(t *testing.T) {
		if out, err := h.ann("create", "configmap", "motd", "--from-literal=text=hello"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := h.ann("get", "configmaps", "-o", "name"); err != nil || !strings.Contains(out, "configmap/motd") {
			t.Errorf("%v\n%s", err, out)
		}
		for _, denied := range [][]string{{"get", "secrets"}, {"get", "configmaps", "-n", "acme"}, {"delete", "configmap", "motd"}} {
			if _, err := h.ann(denied...); !says(err, `(Forbidden)`) || !says(err, `User "gatehouse:`+ann+`" cannot`) {
				t.Errorf("kubectl %v: %v, want Forbidden", denied, err)
			}
		}
	})
	t.Run("refused", h.refusals)
	t.Run("ES256 is taken as well", h.es256)
	t.Run("a Role that is taken is gone from the next token", h.roleTaken)
	t.Run("a rotation of keys needs no restart and ends nothing", h.rotation)
	t.Run("keys that were compromised are worth nothing", h.compromise)
	t.Run("a changed configuration forgets compromised keys at once", h.reload)
	t.Run("a login that has ended names its cure", h.ended)
}

// refusals: each token differs from a good one in a single way, and kube-apiserver says in
// its log that this is why.
func (h *house) refusals(t *testing.T) {
	whole := func(*tokens.IDToken) {}
	if err := h.isAnn(h.mint(t, h.minter(h.issuer), whole), deployer, member); err != nil {
		t.Fatalf("a token that nothing is wrong with: %v", err)
	}
	stranger, err := keyringtest.New()
	h.must(err)
	head, claims, signature := parts(t, h.idToken(kubectl))
	for _, r := range []struct{ name, token, why string }{
		{"one bit of the signature", head + "." + claims + "." + changed(t, signature, flip), "failed to verify id token signature"},
		{"another group", head + "." + changed(t, claims, swap(t, "role:deployer", "role:upgrader")) + "." + signature, "failed to verify id token signature"},
		{"no signature", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + claims + ".", `unsupported algorithm`},
		{"a stranger's key", h.mint(t, tokens.NewMinter(h.issuer, stranger), whole), "failed to verify id token signature"},
		{"another application", h.idToken(other), `expected audience \"acme.kubectl\" got [\"acme.other\"]`},
		{"an access token", h.accessToken(kubectl), "invalid bearer token"},
		{"expired", h.mint(t, h.minter(h.issuer), func(c *tokens.IDToken) { c.ExpiresAt = time.Now().Add(-time.Second) }), "token is expired"},
		{"another Organization", h.mint(t, h.minter(h.issuer), func(c *tokens.IDToken) { c.OrganizationID = "somebody else" }), "required claim org_id value does not match"},
		{"an address without proof", h.mint(t, h.minter(h.issuer), func(c *tokens.IDToken) { c.EmailVerified = false }), "email not verified"},
		{"no address", h.mint(t, h.minter(h.issuer), func(c *tokens.IDToken) { c.Email = "" }), "claim"},
		{"another issuer", h.mint(t, h.minter(h.issuer+"0"), whole), "invalid bearer token"},
	} {
		t.Run(r.name, func(t *testing.T) { h.refused(t, r.token, r.why) })
	}
	mistaken := h.hers(t.Context(), h.kubectlPath, "auth", "whoami", "--server", h.kube.Config.Host, "--certificate-authority", h.kubeCA, "--token", h.idToken(other))
	if _, err := h.run(mistaken, ""); !says(err, "error: You must be logged in to the server (Unauthorized)") {
		t.Errorf("kubectl: %v", err)
	}
}

// refused asks with a token that kube-apiserver must refuse, and log why.
func (h *house) refused(t *testing.T, token, why string) {
	t.Helper()
	before := len(h.kubeLog.String())
	if who, err := h.ask(token); !apierrors.IsUnauthorized(err) {
		t.Errorf("%v %v, want 401", err, who)
	}
	h.soon(func() error {
		if said := h.kubeLog.String()[before:]; !strings.Contains(said, why) {
			return errors.New("kube-apiserver does not say " + why + " but " + said)
		}
		return nil
	})
}

// es256 switches the algorithm of the application. Its access tokens are JWTs of the same
// issuer then, signed with the same key, and must not be taken for ID tokens.
func (h *house) es256(t *testing.T) {
	patch := func(spec string) {
		h.admin("patch", "-n", "acme", "apiapplication/kubectl", "--type=merge", "-p", spec)
		h.age(kubectl)
	}
	patch(`{"spec":{"tokens":{"idTokenSigningAlg":"ES256","format":"JWT"}}}`)
	h.soon(func() error {
		defer h.age(kubectl)
		if alg := algorithm(t, h.idToken(kubectl)); alg != `"alg":"ES256"` {
			return errors.New(alg)
		}
		return nil
	})
	if err := h.isAnn(h.idToken(kubectl), deployer, member); err != nil {
		t.Error(err)
	}
	access := h.accessToken(kubectl)
	if alg := algorithm(t, access); alg != `"alg":"ES256"` {
		t.Errorf("the access token has %s", alg)
	}
	h.refused(t, access, `expected audience \"acme.kubectl\" got [\"`+h.issuer+`/organizations/acme\"]`)
	patch(`{"spec":{"tokens":null}}`)
}

func (h *house) roleTaken(t *testing.T) {
	h.admin("patch", "-n", "acme", "authrole/deployer", "--type=merge", "-p", `{"spec":{"subjects":null}}`)
	h.soon(func() error {
		h.age(kubectl)
		return h.isAnn(h.idToken(kubectl), member)
	})
	if _, err := h.ann("get", "configmaps"); !says(err, "(Forbidden)") {
		t.Errorf("%v, want Forbidden", err)
	}
}

// rotation: the next key is published ten minutes before it signs. A token of then is taken
// now, beside those of today.
func (h *house) rotation(t *testing.T) {
	today := h.mint(t, h.minter(h.issuer), func(*tokens.IDToken) {})
	h.rotate()
	then := h.mint(t, h.minter(h.issuer), func(c *tokens.IDToken) {
		c.IssuedAt = time.Now().Add(keyring.Lead + time.Minute)
		c.ExpiresAt = c.IssuedAt.Add(10 * time.Minute)
	})
	if algorithm(t, today) != algorithm(t, then) || strings.Split(today, ".")[0] == strings.Split(then, ".")[0] {
		t.Fatal("want two keys of one algorithm")
	}
	h.soon(func() error { _, err := h.ask(then); return err })
	if err := h.isAnn(today, deployer, member); err != nil {
		t.Errorf("a token of the key that signs today: %v", err)
	}
}

func (h *house) compromise(t *testing.T) {
	before := h.idToken(kubectl)
	stolen := h.minter(h.issuer)
	h.rotate("--compromised", "--yes")
	h.soon(func() error { // within a second the server has read it
		h.age(kubectl)
		if _, err := h.ann("auth", "whoami"); !says(err, "the login has ended") || !says(err, h.cure()) {
			return errors.Join(errors.New("kubectl does not name the cure"), err)
		}
		return nil
	})
	h.signIn(kubectl)
	begun := time.Now()
	out, err := h.ann("auth", "whoami")
	if err != nil || !strings.Contains(out, member) {
		t.Errorf("a new login is not taken at once: %v\n%s", err, out)
	}
	t.Logf("a token of the new key was taken after %v", time.Since(begun))
	forged := h.mint(t, stolen, func(c *tokens.IDToken) { c.Groups = []string{"role:upgrader"} })
	h.refused(t, forged, "failed to verify id token signature")
	// kube-apiserver remembers for ten seconds that it has taken a token.
	h.soon(func() error {
		if who, err := h.ask(before); !apierrors.IsUnauthorized(err) {
			return errors.Join(err, errors.New("the old token is taken for "+who.String()))
		}
		return nil
	})
}

// reload: while nobody has a token of the new keys, kube-apiserver trusts the old ones. The
// page's other configuration makes it read the keys again.
func (h *house) reload(t *testing.T) {
	stolen := h.minter(h.issuer)
	forge := func() string {
		return h.mint(t, stolen, func(c *tokens.IDToken) { c.Nonce = rand.Text() }) // kube-apiserver remembers tokens
	}
	h.rotate("--compromised", "--yes")
	if _, err := h.ask(forge()); err != nil {
		t.Errorf("%v: the page need not warn of that any more", err)
	}
	h.trust(h.configuration("kube-apiserver several"))
	h.signIn(kubectl) // takes as long as the change; kube-apiserver does not see the token yet
	t.Logf("forgotten %v later", h.soon(func() error {
		if who, err := h.ask(forge()); !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("taken for %v, or: %w", who, err)
		}
		return nil
	}))
	h.refused(t, forge(), "failed to verify id token signature")
	if err := h.isAnn(h.idToken(kubectl), "acme:role:member"); err != nil {
		t.Errorf("several Organizations: %v", err)
	}
}

func (h *house) ended(t *testing.T) {
	cured := func(what string, words ...string) {
		t.Helper()
		h.soon(func() error {
			h.age(kubectl)
			_, err := h.ann("auth", "whoami")
			for _, w := range words {
				if !says(err, w) {
					return fmt.Errorf("%s: want %q: %w", what, w, err)
				}
			}
			return nil
		})
	}
	suspend := func(yes bool) {
		h.admin("patch", "-n", "acme", "apiapplication/kubectl", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"suspend":%t}}`, yes))
	}
	suspend(true)
	cured("suspended", "invalid_client", "ask whoever declares the ApiApplication "+kubectl)
	suspend(false)
	h.soon(func() error { _, err := h.ann("auth", "whoami"); return err })
	h.gatehouse("", "user", "disable", ann, "--data-dir", h.data)
	cured("disabled", "the login has ended", h.cure())
}

// cure is the command that signs in again.
func (h *house) cure() string {
	return "run `gatehouse login --issuer " + h.issuer + " --client-id " + kubectl + "`"
}

func says(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// algorithm returns what the header of a JWT says of it.
func algorithm(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	alg, _, _ := strings.Cut(strings.Trim(string(raw), "{}"), ",")
	return alg
}

// parts of a JWT.
func parts(t *testing.T, token string) (head, claims, signature string) {
	t.Helper()
	all := strings.Split(token, ".")
	if len(all) != 3 {
		t.Fatalf("a token of %d parts", len(all))
	}
	return all[0], all[1], all[2]
}

// changed decodes a part of a JWT, changes it, and encodes it again.
func changed(t *testing.T, part string, change func([]byte)) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	change(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func flip(b []byte) { b[len(b)/2] ^= 1 }

// swap changes text to another of the same length.
func swap(t *testing.T, from, to string) func([]byte) {
	return func(b []byte) {
		at := strings.Index(string(b), from)
		if at < 0 || len(from) != len(to) {
			t.Fatalf("no %s in %s", from, b)
		}
		copy(b[at:], to)
	}
}
