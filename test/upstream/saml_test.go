// Package upstream_test signs people in at identity providers that others wrote, as they are.
package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/test/upstream/saml"
)

const samlPassword = "correct horse of the provider"

func samlPeople() map[string]saml.Person {
	return map[string]saml.Person{"ann": {Password: samlPassword, Attributes: map[string][]string{
		"mail": {"ann@acme.com"}, "givenName": {"Änn <\"&'>"}, "eduPersonAffiliation": {"staff", "R&D"},
	}}}
}

// samlPair is a provider, and the backend that is declared for it.
type samlPair struct {
	*saml.IdP
	backend upstream.Backend
	browser *http.Client
	posted  url.Values // what came back last
}

func newSAMLPair(t *testing.T, s saml.Settings, change func(*model.SAMLSettings)) *samlPair {
	t.Helper()
	s.People = samlPeople()
	p := &samlPair{IdP: saml.Start(t, s)}
	settings := &model.SAMLSettings{MetadataURL: p.MetadataURL(), CABundle: p.CABundle}
	if change != nil {
		change(settings)
	}
	env := upstream.Env{Issuer: "https://auth.example.com", Outbound: func(bundle string) *outbound.Client {
		return outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.With(bundle))
	}}
	var err error
	p.backend, err = upstream.New(&model.Provider{UID: "uid-1", Namespace: "acme", Name: "idp", SAML: settings}, env)
	must(t, err)
	p.Trust(t, p.backend.Describe().Metadata)
	p.browser = samlBrowser(t, p.CABundle)
	return p
}

func samlBrowser(t *testing.T, bundle string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(bundle)) {
		t.Fatal("the bundle has no certificate")
	}
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
}

var (
	samlAction = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	samlField  = regexp.MustCompile(`<input(?: type="hidden")? name="([^"]*)"(?: value="([^"]*)")?`)
)

// follow opens a page of the provider, signs in where it asks, and returns what it posts to us.
func (p *samlPair) follow(t *testing.T, from string) url.Values {
	t.Helper()
	reply, err := p.browser.Get(from)
	must(t, err)
	for range 3 {
		action, form := samlPage(t, reply)
		if action == p.backend.Describe().CallbackURL {
			p.posted = form
			return form
		}
		form.Set("username", "ann")
		form.Set("password", samlPassword)
		reply, err = p.browser.PostForm(p.URL+action, form)
		must(t, err)
	}
	t.Fatal("the provider posts nothing to us")
	return nil
}

func samlPage(t *testing.T, reply *http.Response) (action string, form url.Values) {
	t.Helper()
	defer func() { _ = reply.Body.Close() }()
	page, err := io.ReadAll(reply.Body)
	must(t, err)
	to := samlAction.FindSubmatch(page)
	if to == nil {
		t.Fatalf("%s, no form: %s", reply.Status, page)
	}
	form = url.Values{}
	for _, field := range samlField.FindAllSubmatch(page, -1) {
		form.Set(string(field[1]), html.UnescapeString(string(field[2])))
	}
	return html.UnescapeString(string(to[1])), form
}

// signIn signs ann in by the whole way, as a.
func (p *samlPair) signIn(t *testing.T, a upstream.Attempt) (upstream.Proof, upstream.Step, error) {
	t.Helper()
	a.Now = time.Now()
	step, err := p.backend.Authenticate(t.Context(), a)
	must(t, err)
	form := p.follow(t, step.Redirect)
	if form.Get("RelayState") != step.Handle {
		t.Errorf("RelayState came back as %q", form.Get("RelayState"))
	}
	proof, err := p.backend.Validate(t.Context(), upstream.Answer{Now: time.Now(), State: step.State, Form: form})
	return proof, step, err
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPySAML2SignsPeopleIn(t *testing.T) {
	t.Parallel()
	p := newSAMLPair(t, saml.Settings{}, nil)
	began := time.Now()
	proof, step, err := p.signIn(t, upstream.Attempt{})
	must(t, err)
	attributes, _ := proof.Claims["attributes"].(map[string]any)
	values := func(name string) (all []string) {
		for _, v := range attributes[name].([]any) {
			all = append(all, v.(string))
		}
		return all
	}
	if proof.Claims["name_id"] != "ann@acme.com" || proof.Claims["issuer"] != p.EntityID() || !slices.Equal(proof.AMR, []string{"pwd"}) {
		t.Errorf("%+v", proof)
	}
	const mail, given, affiliation = "urn:mace:dir:attribute-def:mail", "urn:mace:dir:attribute-def:givenName", "urn:mace:dir:attribute-def:eduPersonAffiliation"
	if !slices.Equal(values(mail), []string{"ann@acme.com"}) || !slices.Equal(values(given), []string{"Änn <\"&'>"}) || !slices.Equal(values(affiliation), []string{"staff", "R&D"}) {
		t.Errorf("%+v", attributes)
	}
	if proof.AuthTime.Before(began.Add(-time.Second)) || proof.AuthTime.After(time.Now()) || proof.Once == "" || proof.Until.Before(time.Now()) {
		t.Errorf("%+v", proof)
	}
	if d := p.backend.Describe(); d.Issuer != p.EntityID() || d.Until.IsZero() {
		t.Errorf("%+v", d)
	}
	// ASVS 6.8.2, 6.8.3: the same again has the same name, and what was changed proves nothing.
	validate := func(form url.Values, state []byte) (upstream.Proof, error) {
		return p.backend.Validate(t.Context(), upstream.Answer{Now: time.Now(), State: state, Form: form})
	}
	again, err := validate(p.posted, step.State)
	if err != nil || again.Once != proof.Once {
		t.Errorf("%q, then %q, %v", proof.Once, again.Once, err)
	}
	raw, err := base64.StdEncoding.DecodeString(p.posted.Get("SAMLResponse"))
	must(t, err)
	for _, become := range []string{"bob@acme.com", "ann@acme.com<!---->.evil.com"} {
		forged := strings.ReplaceAll(string(raw), "ann@acme.com", become)
		if _, err := validate(samlPosted(forged, step.Handle), step.State); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%s: %v", become, err)
		}
	}
	other, err := p.backend.Authenticate(t.Context(), upstream.Attempt{Now: time.Now()})
	must(t, err)
	stolen, err := validate(samlPosted(string(raw), other.Handle), other.State)
	if stolen.Claims != nil || !errors.Is(err, upstream.ErrRefused) {
		t.Errorf("an answer to somebody else's request: %v", err)
	}
}

func TestPySAML2AsksAgainWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	p := newSAMLPair(t, saml.Settings{SignResponse: true}, nil)
	first, _, err := p.signIn(t, upstream.Attempt{})
	must(t, err)
	second, _, err := p.signIn(t, upstream.Attempt{})
	if err != nil || !second.AuthTime.Equal(first.AuthTime) {
		t.Errorf("by the session there: %v, %v, %v", first.AuthTime, second.AuthTime, err)
	}
	if first.Once == second.Once {
		t.Error("two assertions have one name")
	}
	step, err := p.backend.Authenticate(t.Context(), upstream.Attempt{Now: time.Now(), Again: true})
	must(t, err)
	reply, err := p.browser.Get(step.Redirect)
	must(t, err)
	if action, _ := samlPage(t, reply); action != "/login" {
		t.Errorf("with ForceAuthn the provider goes to %s", action)
	}
}

func TestPySAML2IsRefusedWhatItDoesNotSignWell(t *testing.T) {
	t.Parallel()
	p := newSAMLPair(t, saml.Settings{}, nil)
	for name, c := range map[string]struct {
		settings saml.Settings
		want     string
	}{
		"SHA-512":             {saml.Settings{Signature: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", Digest: "http://www.w3.org/2001/04/xmlenc#sha512"}, ""},
		"SHA-384 around":      {saml.Settings{SignResponse: true, Signature: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"}, ""},
		"unsigned":            {saml.Settings{Unsigned: true}, "not signed"},
		"signed around alone": {saml.Settings{Unsigned: true, SignResponse: true}, "have the provider sign assertions"},
		"SHA-1":               {saml.Settings{Signature: "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}, "algorithm is none of"},
		"a digest of SHA-1":   {saml.Settings{Digest: "http://www.w3.org/2000/09/xmldsig#sha1"}, "digest is none of"},
	} {
		c.settings.People = samlPeople()
		p.Set(t, c.settings)
		_, _, err := p.signIn(t, upstream.Attempt{})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, upstream.ErrRefused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Its keys roll over while people sign in: nobody has to tell us.
func TestPySAML2RollsItsKeysOver(t *testing.T) {
	t.Parallel()
	p := newSAMLPair(t, saml.Settings{}, nil)
	_, _, err := p.signIn(t, upstream.Attempt{})
	must(t, err)
	set := func(key string, published ...string) {
		p.Set(t, saml.Settings{People: samlPeople(), Key: key, Published: published})
	}
	set("one", "two")
	must(t, p.backend.(upstream.Prober).Probe(t.Context(), time.Now()))
	set("two", "one")
	if _, _, err := p.signIn(t, upstream.Attempt{}); err != nil {
		t.Errorf("the new key: %v", err)
	}
	set("two")
	must(t, p.backend.(upstream.Prober).Probe(t.Context(), time.Now()))
	set("one")
	if _, _, err := p.signIn(t, upstream.Attempt{}); err != nil {
		t.Errorf("one that it published a moment ago: %v", err)
	}
}

// ASVS 7.6.2.
func TestPySAML2BeginsASignInOnlyIfDeclared(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		p := newSAMLPair(t, saml.Settings{}, func(s *model.SAMLSettings) { s.AllowIdPInitiated = allowed })
		must(t, p.backend.(upstream.Prober).Probe(t.Context(), time.Now()))
		form := p.follow(t, p.PortalURL(p.backend.Describe().CallbackURL))
		proof, err := p.backend.Validate(t.Context(), upstream.Answer{Now: time.Now(), Form: form})
		if allowed && (err != nil || proof.Claims["name_id"] != "ann@acme.com") || !allowed && !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("allowed %v: %v", allowed, err)
		}
	}
}
