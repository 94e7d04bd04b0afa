package browser

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-dev/gatehouse/internal/mapping"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// worksUID is that of the provider elsewhere; it is npm oidc-provider, which knows everybody
// by the name that they type, and says ann@acme.example of all of them.
const worksUID = "works-uid"

const clientSecret = "a-secret-of-the-client-in-this-test" // #nosec G101 -- of a test

// pemOf is a certificate for loopback with its key, as httptest has them.
func pemOf(t *testing.T) (cert, key []byte) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pair := s.TLS.Certificates[0]
	raw, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// signingKeys are a private one for each algorithm that the provider is set up with, as a
// JWK set.
var signingKeys = sync.OnceValues(func() ([]byte, error) {
	var set jose.JSONWebKeySet
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		var key any
		var err error
		switch alg {
		case "ES256":
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		case "EdDSA":
			_, key, err = ed25519.GenerateKey(rand.Reader)
		default:
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: alg, Algorithm: alg, Use: "sig"})
	}
	return json.Marshal(set)
})

// serveElsewhere runs the provider, and declares it for the installation.
func serveElsewhere(t *testing.T) (in *installation, issuer string) {
	t.Helper()
	in = installWith(t, toLoopback)
	issuer = freeIssuer()
	cert := runProvider(t, issuer, in.url+"/login/callback/"+worksUID+"/")
	m, problems := mapping.New(mapping.Default("OIDC"))
	if problems != nil {
		t.Fatal(problems)
	}
	in.elsewhere = []*model.Provider{{
		UID: worksUID, Namespace: "system", Name: "works", Type: "OIDC", DisplayName: "Works", Mapping: m,
		Provisioning: model.Provisioning{Mode: model.ProvisionJIT, LinkBy: model.LinkBySubject},
		OIDC: &model.OIDCSettings{
			Issuer: issuer, ClientID: "RS256", ClientSecret: model.NewSensitive(clientSecret), Scopes: []string{"openid", "email", "profile"}, PKCE: true, CABundle: string(cert),
		},
	}}
	in.publish(t)
	return in, issuer
}

// freeIssuer is one that nobody listens at.
func freeIssuer() string {
	free := httptest.NewServer(nil)
	defer free.Close()
	return "https://" + free.Listener.Addr().String()
}

// runProvider runs the provider, which sends people back to the callback, until the test is
// over, and returns its certificate.
func runProvider(t *testing.T, issuer, callback string) (cert []byte) {
	t.Helper()
	leaks.Remember(clientSecret)
	install := exec.CommandContext(t.Context(), "../../hack/need-npm.sh", "../bench/peers/oidc-provider")
	install.Stderr = os.Stderr
	packages, err := install.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var key []byte
	cert, key = pemOf(t)
	script, err := os.ReadFile("../upstream/oidc/server.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"cert.pem": cert, "key.pem": key, "server.mjs": script} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(strings.TrimSpace(string(packages)), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	keys, err := signingKeys()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.CommandContext(t.Context(), "node", filepath.Join(dir, "server.mjs"), issuer, callback,
		filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	program.Env, program.Stderr = append(os.Environ(), "SECRET="+clientSecret, "KEYS="+string(keys)), os.Stderr
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = 5 * time.Second
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Signal(syscall.SIGTERM); _ = program.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "listening" {
		t.Fatalf("oidc-provider says %q, %v", line, err)
	}
	return cert
}

// visitor is a window that takes the certificate of the test.
func (in *installation) visitor(t *testing.T, others ...string) *window {
	t.Helper()
	w := openWindow(t, in.url, others, chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", "MAP "+namedHost+" 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"))
	t.Cleanup(func() {
		for _, fault := range w.complaints() {
			// Without TLS the browser is told of no cookie that it should send to us with a post
			// of another site. It sends those that it got in the last two minutes, and says so.
			if warned := fault == "the browser has an issue: CookieIssue" && strings.HasPrefix(in.url, "http:"); !warned && !ofTheProvider(fault, others) {
				t.Error(fault)
			}
		}
	})
	return w
}

// ofTheProvider reports whether the browser complains about the pages of the provider, which
// are not ours: they ask for a font of elsewhere, which is not there, and have no icon.
func ofTheProvider(fault string, others []string) bool {
	if strings.Contains(fault, "form-action") {
		return false
	}
	return strings.Contains(fault, "https://fonts.googleapis.com/") || fault == "the browser has an issue: StylesheetLoadingIssue" ||
		slices.ContainsFunc(others, func(o string) bool { return strings.Contains(fault, o+"/") })
}

// proves signs in at the provider, whose pages are its own.
func (w *window) proves(name string) {
	w.t.Helper()
	w.fill("input[name=login]", name)
	w.fill("input[name=password]", "whatever")
	w.press("button[type=submit]")
	w.press("button[type=submit]") // it asks whether we may know
}

func TestPeopleSignInElsewhereInARealBrowser(t *testing.T) {
	in, issuer := serveElsewhere(t)
	w := in.visitor(t, issuer)
	w.open("/login/")
	w.wantText("Continue with Works", "Password")
	w.look("login-ways")
	w.press(".ways button")
	w.proves("eve")
	w.wantText("You are signed in")
	w.open("/account/identities/")
	w.wantText("Ways to sign in", "Works", "ann@acme.example", "It is your only way in")
	w.look("identities-only")

	// Somebody else whom the provider gives the same address is somebody else.
	other := in.visitor(t, issuer)
	other.open("/login/")
	other.press(".ways button")
	other.proves("mallory")
	other.wantText("You are signed in")
	users, err := in.store.Users(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	same := 0
	for _, u := range users {
		if u.Email == "ann@acme.example" {
			same++
		}
	}
	if same != 2 {
		t.Errorf("%d accounts show the address, want two", same)
	}
}

// By the keyboard and without scripts of ours.
func TestAnIdentityIsConnectedAndDisconnectedInARealBrowser(t *testing.T) {
	in, issuer := serveElsewhere(t)
	w := in.visitor(t, issuer)
	w.open("/login/?next=%2Faccount%2Fidentities%2F")
	w.fill("#email", annEmail)
	w.fill("#password", password)
	w.press("main form button:not(.second)")
	w.wantText("Connect Works")
	w.look("identities")
	w.enterOn(".ways button")
	w.wantText("Connect Works", "Back to your account")
	w.look("connect")
	w.enterOn("main form button")
	w.proves("ann")
	w.wantText("It is connected", "ann@acme.example")
	w.look("identities-connected")
	w.press(".entry button")
	w.wantText("It is disconnected")
}

func TestAnInvitationIsAcceptedInARealBrowser(t *testing.T) {
	in := install(t)
	link, err := people.Invite(t.Context(), in.store, in.keys.LookupKey(), "org acme", bobEmail, store.Event{Time: time.Now(), Actor: "operator", Action: "invitation.created"})
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	w := in.window(t)
	w.withoutScripts()
	w.open("/invitation/?link=" + link)
	w.wantText("Join", bobEmail, "Sign in first")
	w.press("main .way a")
	w.signIn(bobEmail, password)
	w.wantText("now that is", bobEmail)
	w.press("button[value=accept]")
	w.wantText("You are a member of")
}

func TestTheInvitationPageIsLookedAt(t *testing.T) {
	in := install(t)
	in.local.Local.Registration = model.RegistrationInvitationOnly
	in.publish(t)
	link, err := people.Invite(t.Context(), in.store, in.keys.LookupKey(), "org acme", "eve@example.com", store.Event{Time: time.Now(), Actor: "operator", Action: "invitation.created"})
	if err != nil {
		t.Fatal(err)
	}
	leaks.Remember(link)
	w := in.window(t)
	w.open("/invitation/?link=" + link)
	w.wantText("Or make an account")
	w.look("invitation")
}
