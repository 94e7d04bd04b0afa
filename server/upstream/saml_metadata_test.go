package upstream

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/outbound"
)

func TestMetadataIsThatOfOneProvider(t *testing.T) {
	good := samlDescribed(samlOurKey(), samlOtherKey())
	m, err := parseSAMLMetadata([]byte(good))
	if err != nil || m.entityID != samlTheirs || m.sso != "https://idp.example.com/sso?tenant=a%20b" || len(m.certificates) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	in := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	entities := func(inside string) string {
		return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + inside + `</md:EntitiesDescriptor>`
	}
	sp := `<md:EntityDescriptor entityID="urn:sp"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></md:EntityDescriptor>`
	old := `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"/>`
	for name, text := range map[string]string{
		"one among services":        entities(sp + good + sp),
		"a comment, as files have":  "<!-- of 2026 -->" + in("<md:KeyDescriptor", "<!-- key --><md:KeyDescriptor"),
		"a BOM, as Windows has it":  "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>" + good,
		"an older protocol as well": in("<md:IDPSSODescriptor", old+"<md:IDPSSODescriptor"),
		"a key for encryption":      in(`<md:KeyDescriptor use="signing"`, `<md:KeyDescriptor use="encryption"/><md:KeyDescriptor use="signing"`),
		"a key for everything":      strings.ReplaceAll(good, ` use="signing"`, ""),
		"a certificate in lines":    in("<ds:X509Certificate>", "<ds:X509Certificate>\n    "),
	} {
		if m, err := parseSAMLMetadata([]byte(text)); err != nil || m.entityID != samlTheirs || len(m.certificates) != 2 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"", "is empty"},
		"HTML":                       {"<html/>", "no metadata of SAML 2.0"},
		"a service's":                {entities(sp), "no IDPSSODescriptor"},
		"two providers":              {entities(good + good), "more than one identity provider"},
		"two roles":                  {in("</md:EntityDescriptor>", good[strings.Index(good, "<md:IDP"):]), "more than one identity provider"},
		"no entityID":                {in("entityID", "entityId"), "no entityID"},
		"no redirect binding":        {in("bindings:HTTP-Redirect", "bindings:SOAP"), "no SingleSignOnService with the HTTP-Redirect"},
		"plain HTTP":                 {in("https://idp.example.com/sso", "http://idp.example.com/sso"), "no https URL"},
		"a script":                   {in("https://idp.example.com/sso", "javascript:alert(1)//"), "no https URL"},
		"no keys":                    {strings.ReplaceAll(good, `use="signing"`, `use="encryption"`), "no certificate for signing"},
		"a certificate that is none": {in("<ds:X509Certificate>", "<ds:X509Certificate>AAAA"), "is no certificate"},
		"no base64":                  {in("<ds:X509Certificate>", "<ds:X509Certificate>%%"), "not base64"},
		"a comment in a certificate": {in("<ds:X509Certificate>", "<ds:X509Certificate><!---->"), "text and nothing else"},
		"a document type":            {`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + good, "document type"},
		"a document type inside":     {in("<md:IDP", "<!DOCTYPE x><md:IDP"), "document type"},
		"a bad end":                  {in("entityID", `validUntil="never" entityID`), "is no time"},
		"large":                      {good + strings.Repeat(" ", 1<<20), "more than 1048576 bytes"},
	} {
		if _, err := parseSAMLMetadata([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// The first certificate is the key's; one after it issued it, and signs no assertions.
func TestWhoIssuedACertificateSignsNothing(t *testing.T) {
	chain := `</ds:X509Certificate><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(samlOtherKey().certificate.Raw) + `</ds:X509Certificate>`
	text := strings.Replace(samlDescribed(samlOurKey()), `</ds:X509Certificate>`, chain, 1)
	s := samlBackend(t, model.SAMLSettings{Metadata: text})
	r := samlGood("_q1")
	if _, err := s.answer(t, r.xml(t)); err != nil {
		t.Error(err)
	}
	r.key = samlOtherKey()
	_, err := s.answer(t, r.xml(t))
	samlRefuses(t, err, errSAMLKey.Error())
}

func TestWeakKeysSignNothing(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := newSAMLSigner(key, samlNoon.AddDate(-1, 0, 0), samlNoon.AddDate(1, 0, 0))
	if _, err := parseSAMLMetadata([]byte(samlDescribed(weak))); err == nil || !strings.Contains(err.Error(), "2048 bits") {
		t.Errorf("%v", err)
	}
	if m, err := parseSAMLMetadata([]byte(samlDescribed(weak, samlOurKey()))); err != nil || len(m.certificates) != 1 {
		t.Errorf("%v", err)
	}
}

func TestTheNarrowestValidityCounts(t *testing.T) {
	text := strings.Replace(samlDescribed(samlOurKey()), "entityID", `validUntil="2026-11-30T00:00:00Z" cacheDuration="P1DT2H" entityID`, 1)
	text = strings.Replace(text, "<md:IDPSSODescriptor", `<md:IDPSSODescriptor validUntil="2026-11-22T00:00:00Z"`, 1)
	m, err := parseSAMLMetadata([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2027-01-01T00:00:00Z">` + text + `</md:EntitiesDescriptor>`))
	if err != nil || !m.until.Equal(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMetadataThatCannotBeReadIsNamedByItsField(t *testing.T) {
	_, err := New(&model.Provider{Namespace: "acme", Name: "idp", SAML: &model.SAMLSettings{Metadata: "<html/>"}}, Env{Issuer: "https://auth.example.com"})
	if err == nil || !strings.Contains(err.Error(), "provider acme/idp: saml.metadata: ") {
		t.Error(err)
	}
}

// samlHouse publishes metadata over https.
type samlHouse struct {
	*httptest.Server
	mu    sync.Mutex
	says  string
	asked atomic.Int64
}

func (h *samlHouse) publish(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.says = text
}

// newSAMLHouse returns a house, and the backend of the provider in it.
func newSAMLHouse(t *testing.T) (*samlHouse, *saml) {
	t.Helper()
	h := &samlHouse{}
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Add(1)
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.says == "" || !strings.Contains(r.Header.Get("Accept"), "xml") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(h.says))
	}))
	t.Cleanup(h.Close)
	bundle := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
	env := Env{Issuer: "https://auth.example.com", Outbound: func(bundle string) *outbound.Client {
		return outbound.New(outbound.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.With(bundle))
	}}
	b, err := New(&model.Provider{UID: "uid-1", SAML: &model.SAMLSettings{MetadataURL: h.URL + "/metadata", CABundle: bundle}}, env)
	if err != nil {
		t.Fatal(err)
	}
	return h, b.(*saml)
}

func (s *saml) at(t *testing.T, after time.Duration, signer *samlSigner) error {
	t.Helper()
	r := samlGood("_q1")
	r.key = signer
	r.IssueInstant, r.NotBefore, r.AuthnInstant = samlAt(after), samlAt(after), samlAt(after)
	r.NotOnOrAfter, r.SubjectEnd = samlAt(after+5*time.Minute), samlAt(after+5*time.Minute)
	asked := strings.Replace(samlAsked, "2026-11-21T12:00:00Z", samlAt(after), 1)
	_, err := s.Validate(t.Context(), Answer{Now: samlNoon.Add(after), State: []byte(asked), Form: samlForm(r.xml(t))})
	return err
}

func TestAnOutageKeepsTheLastGoodMetadata(t *testing.T) {
	h, s := newSAMLHouse(t)
	if _, err := s.Authenticate(t.Context(), Attempt{Now: samlNoon}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("nothing is known: %v", err)
	}
	if d := s.Describe(); d.Issuer != "" || !d.Until.IsZero() || d.CallbackURL != samlACS {
		t.Errorf("%+v", d)
	}
	h.publish(samlDescribed(samlOurKey()))
	if err := s.Probe(t.Context(), samlNoon); err != nil {
		t.Fatal(err)
	}
	if d := s.Describe(); d.Issuer != samlTheirs || d.Until.IsZero() {
		t.Errorf("%+v", d)
	}
	for _, outage := range []string{"", "<html>busy, secret-of-theirs</html>", "<x", samlDescribed()} {
		h.publish(outage)
		err := s.Probe(t.Context(), samlNoon.Add(time.Hour))
		if err == nil || strings.Contains(err.Error(), "secret-of-theirs") {
			t.Errorf("%q: %v", outage, err)
		}
		if err := s.at(t, 30*24*time.Hour, samlOurKey()); err != nil {
			t.Errorf("%q: %v", outage, err)
		}
	}
}

func TestMetadataIsFetchedByOneAndByTheProber(t *testing.T) {
	h, s := newSAMLHouse(t)
	h.publish(samlDescribed(samlOurKey()))
	sign := func(ctx context.Context, at time.Duration) error {
		_, err := s.Authenticate(ctx, Attempt{Now: samlNoon.Add(at)})
		return err
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := sign(t.Context(), 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := sign(t.Context(), 100*24*time.Hour); err != nil || h.asked.Load() != 1 {
		t.Errorf("asked %d times by those who sign in, %v", h.asked.Load(), err)
	}
	for i := range int64(3) {
		if err := s.Probe(t.Context(), samlNoon); err != nil || h.asked.Load() != 2+i {
			t.Errorf("asked %d times after %d looks, %v", h.asked.Load(), i+1, err)
		}
	}
	// Whoever hangs up keeps nobody from it.
	h, s = newSAMLHouse(t)
	h.publish(samlDescribed(samlOurKey()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sign(ctx, 0); err == nil {
		t.Log("it was quicker")
	}
	if err := sign(t.Context(), 0); err != nil || h.asked.Load() != 1 {
		t.Errorf("asked %d times, %v", h.asked.Load(), err)
	}
}

// Rollover: the new certificate is known as soon as something is signed by it, and not more
// than once a minute somebody is asked for it.
func TestANewCertificateIsFetchedWhenItIsNeeded(t *testing.T) {
	h, s := newSAMLHouse(t)
	h.publish(samlDescribed(samlOurKey()))
	if err := s.at(t, 0, samlOurKey()); err != nil {
		t.Fatal(err)
	}
	samlRefuses(t, s.at(t, time.Second, samlOtherKey()), errSAMLKey.Error()) // who is asked now
	h.publish(samlDescribed(samlOurKey(), samlCurve()))
	samlRefuses(t, s.at(t, time.Minute, samlCurve()), errSAMLKey.Error())
	if err := s.at(t, time.Minute+time.Second, samlCurve()); err != nil {
		t.Errorf("the new one: %v", err)
	}
	if err := s.at(t, time.Minute+time.Second, samlOurKey()); err != nil {
		t.Errorf("the old one beside it: %v", err)
	}
	before := h.asked.Load()
	for range 20 {
		samlRefuses(t, s.at(t, 2*time.Minute, samlOtherKey()), errSAMLKey.Error())
	}
	if n := h.asked.Load(); n != before {
		t.Errorf("whoever signs by a key of their own had it fetched %d times", n-before)
	}
	// A response that nobody asked for has nothing fetched at all.
	_, err := s.Validate(t.Context(), Answer{Now: samlNoon.Add(time.Hour), Form: samlForm(samlGood("").xml(t))})
	if samlRefuses(t, err, "allowIdPInitiated"); h.asked.Load() != before {
		t.Error("it was fetched")
	}
	h.publish(samlDescribed(samlCurve()))
	if err := s.Probe(t.Context(), samlNoon.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	samlRefuses(t, s.at(t, 2*time.Minute, samlOurKey()), errSAMLKey.Error()) // withdrawn
}

func TestMetadataEndsWhenItSays(t *testing.T) {
	h, s := newSAMLHouse(t)
	h.publish(strings.Replace(samlDescribed(samlOurKey()), "entityID", `validUntil="2026-11-21T13:00:00Z" entityID`, 1))
	if err := s.at(t, 0, samlOurKey()); err != nil {
		t.Fatal(err)
	}
	h.publish("")
	if err := s.at(t, 59*time.Minute, samlOurKey()); err != nil {
		t.Errorf("before its end: %v", err)
	}
	if err := s.at(t, time.Hour, samlOurKey()); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) {
		t.Errorf("after it: %v", err)
	}
	declared := samlBackend(t, model.SAMLSettings{Metadata: strings.Replace(samlDescribed(samlOurKey()), "entityID", `validUntil="2026-11-21T13:00:00Z" entityID`, 1)})
	if err := declared.Probe(t.Context(), samlNoon); err != nil {
		t.Error(err)
	}
	if err := declared.Probe(t.Context(), samlNoon.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "declare the new one") {
		t.Error(err)
	}
}

// A certificate of metadata ends its key: nothing else would end what is declared.
func TestACertificateThatEndedSignsNothing(t *testing.T) {
	key := samlOurKey().key
	ended := newSAMLSigner(key, samlNoon.AddDate(-1, 0, 0), samlNoon.Add(-time.Second))
	s := samlBackend(t, model.SAMLSettings{}, ended)
	_, err := s.answer(t, samlGood("_q1").xml(t))
	samlRefuses(t, err, "no certificate in the provider's metadata is valid now")
	if err := s.Probe(t.Context(), samlNoon); err == nil || !strings.Contains(err.Error(), "ended at 2026-11-21T11:59:59Z") {
		t.Error(err)
	}
	later := newSAMLSigner(key, samlNoon.Add(time.Hour), samlNoon.AddDate(1, 0, 0))
	_, err = samlBackend(t, model.SAMLSettings{}, later).answer(t, samlGood("_q1").xml(t))
	samlRefuses(t, err, "no certificate in the provider's metadata is valid now")
	soon := newSAMLSigner(key, samlNoon.Add(samlLeeway), samlNoon.AddDate(1, 0, 0))
	if _, err := samlBackend(t, model.SAMLSettings{}, ended, soon).answer(t, samlGood("_q1").xml(t)); err != nil {
		t.Errorf("one made a moment ago by a clock that is ahead: %v", err)
	}
	if until := samlBackend(t, model.SAMLSettings{}, ended, soon).Describe().Until; !until.Equal(soon.certificate.NotAfter) {
		t.Errorf("until %v", until)
	}
}

func TestMetadataIsFetchedOnlyFromWhereItMay(t *testing.T) {
	h, s := newSAMLHouse(t)
	h.publish(samlDescribed(samlOurKey()))
	pool := x509.NewCertPool()
	pool.AddCert(h.Certificate())
	s.settings.fetch = samlFetch(outbound.New(outbound.Options{RootCAs: pool}), h.URL)
	if err := s.Probe(t.Context(), samlNoon); !errors.Is(err, outbound.ErrRefused) || h.asked.Load() != 0 {
		t.Errorf("%v", err)
	}
	h.publish(strings.Repeat(" ", 1<<20+1))
	s.settings.fetch = samlFetch(outbound.New(outbound.Options{RootCAs: pool, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}), h.URL)
	if err := s.Probe(t.Context(), samlNoon); !errors.Is(err, outbound.ErrTooLarge) {
		t.Errorf("%v", err)
	}
}
