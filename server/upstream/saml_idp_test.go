package upstream

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for what has to be refused
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

var samlNoon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	samlTheirs = "https://idp.example.com/metadata"
	samlACS    = "https://auth.example.com/login/callback/uid-1/"
)

// samlSigner is a key with its certificate, which is good for a year around noon.
type samlSigner struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

func newSAMLSigner(key crypto.Signer, from, to time.Time) *samlSigner {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &samlSigner{key, certificate}
}

func samlKey(bits int) func() *samlSigner {
	return sync.OnceValue(func() *samlSigner {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return newSAMLSigner(key, samlNoon.AddDate(0, -6, 0), samlNoon.AddDate(0, 6, 0))
	})
}

var (
	samlOurKey   = samlKey(2048) // the provider's
	samlOtherKey = samlKey(2048) // anybody's
	samlCurve    = sync.OnceValue(func() *samlSigner {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return newSAMLSigner(key, samlNoon.AddDate(0, -6, 0), samlNoon.AddDate(0, 6, 0))
	})
)

// samlSignature says how something is signed; the zero value is as it should be.
type samlSignature struct {
	method, digest   string
	uri              *string
	transforms, more string // XML; more stands after the Reference
	prefixes         string // InclusiveNamespaces of the transform
	keyInfo          string // XML; empty: the signer's certificate; "none"
	asn1             bool   // an ECDSA signature as X.509 has it
}

var samlHashes = map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

func samlHash(uri string) crypto.Hash {
	_, name, _ := strings.Cut(uri, "#")
	if i := strings.LastIndex(name, "-"); i >= 0 {
		name = name[i+1:]
	}
	return samlHashes[name]
}

// sign puts a Signature of the element where it belongs.
func (s *samlSigner) sign(t testing.TB, el *etree.Element, o samlSignature) {
	t.Helper()
	if o.method == "" {
		o.method = dsig.RSASHA256SignatureMethod
		if _, ok := s.key.(*ecdsa.PrivateKey); ok {
			o.method = dsig.ECDSASHA256SignatureMethod
		}
	}
	if o.digest == "" {
		o.digest = "http://www.w3.org/2001/04/xmlenc#sha256"
	}
	if o.uri == nil {
		uri := "#" + el.SelectAttrValue("ID", "")
		o.uri = &uri
	}
	if o.transforms == "" {
		o.transforms = `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">` +
			`<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="` + o.prefixes + `"/></ds:Transform>`
	}
	switch o.keyInfo {
	case "":
		o.keyInfo = `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(s.certificate.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
	case "none":
		o.keyInfo = ""
	}
	digest := samlHash(o.digest).New()
	digest.Write(samlCanonicalBytes(t, el, o.prefixes))
	info := fmt.Sprintf(`<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm=%q/><ds:Reference URI=%q><ds:Transforms>%s</ds:Transforms><ds:DigestMethod Algorithm=%q/><ds:DigestValue>%s</ds:DigestValue></ds:Reference>%s</ds:SignedInfo>`,
		o.method, *o.uri, o.transforms, o.digest, base64.StdEncoding.EncodeToString(digest.Sum(nil)), o.more)
	hash := samlHash(o.method)
	sum := hash.New()
	sum.Write(samlCanonicalBytes(t, samlElement(t, info), ""))
	value, err := s.key.Sign(rand.Reader, sum.Sum(nil), hash)
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := s.key.(*ecdsa.PrivateKey); ok && !o.asn1 {
		value = samlSideBySide(t, value, (key.Params().BitSize+7)/8)
	}
	el.InsertChildAt(1, samlElement(t, `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">`+info+`<ds:SignatureValue>`+base64.StdEncoding.EncodeToString(value)+`</ds:SignatureValue>`+o.keyInfo+`</ds:Signature>`))
}

func samlSideBySide(t testing.TB, der []byte, size int) []byte {
	t.Helper()
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 2*size)
	v.R.FillBytes(out[:size])
	v.S.FillBytes(out[size:])
	return out
}

func samlCanonicalBytes(t testing.TB, el *etree.Element, prefixes string) []byte {
	t.Helper()
	raw, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(el.Copy())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func samlElement(t testing.TB, text string) *etree.Element {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromString(text); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d.Root()
}

// samlSaid is what a provider says. Fields are XML, and stand where their name says.
type samlSaid struct {
	ID, Destination, InResponseTo, Issuer, Status, Extensions    string
	AssertionID, AssertionIssuer, IssueInstant                   string
	NameID, Format, NameAttrs                                    string
	Method, Recipient, SubjectInResponseTo, SubjectEnd           string
	NotBefore, NotOnOrAfter, Audience, Conditions                string
	AuthnInstant, SessionEnd, Class, Attributes, More, Subject   string
	Unsigned, SignResponse, NoConditions, NoSubjectData, NoAuthn bool
	signature, around                                            samlSignature
	key                                                          *samlSigner
}

var samlTemplate = template.Must(template.New("").Parse(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{{.ID}}" Version="2.0" IssueInstant="{{.IssueInstant}}"{{with .Destination}} Destination="{{.}}"{{end}}{{with .InResponseTo}} InResponseTo="{{.}}"{{end}}><saml:Issuer>{{.Issuer}}</saml:Issuer>{{.Extensions}}<samlp:Status>{{.Status}}</samlp:Status><saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{{.AssertionID}}" Version="2.0" IssueInstant="{{.IssueInstant}}"><saml:Issuer>{{.AssertionIssuer}}</saml:Issuer><saml:Subject><saml:NameID Format="{{.Format}}"{{.NameAttrs}}>{{.NameID}}</saml:NameID><saml:SubjectConfirmation Method="{{.Method}}">{{if not .NoSubjectData}}<saml:SubjectConfirmationData Recipient="{{.Recipient}}"{{with .SubjectInResponseTo}} InResponseTo="{{.}}"{{end}}{{with .SubjectEnd}} NotOnOrAfter="{{.}}"{{end}}/>{{end}}</saml:SubjectConfirmation>{{.Subject}}</saml:Subject>{{if not .NoConditions}}<saml:Conditions NotBefore="{{.NotBefore}}" NotOnOrAfter="{{.NotOnOrAfter}}">{{with .Audience}}<saml:AudienceRestriction><saml:Audience>{{.}}</saml:Audience></saml:AudienceRestriction>{{end}}{{.Conditions}}</saml:Conditions>{{end}}{{if not .NoAuthn}}<saml:AuthnStatement AuthnInstant="{{.AuthnInstant}}"{{with .SessionEnd}} SessionNotOnOrAfter="{{.}}"{{end}}><saml:AuthnContext><saml:AuthnContextClassRef>{{.Class}}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>{{end}}<saml:AttributeStatement>{{.Attributes}}</saml:AttributeStatement>{{.More}}</saml:Assertion></samlp:Response>`))

func samlAt(d time.Duration) string { return samlNoon.Add(d).Format(time.RFC3339) }

// samlGood is what admits ann, in answer to the request.
func samlGood(request string) samlSaid {
	return samlSaid{
		ID: "_r1", Destination: samlACS, InResponseTo: request, Issuer: samlTheirs, Status: `<samlp:StatusCode Value="` + samlSuccess + `"/>`,
		AssertionID: "_a1", AssertionIssuer: samlTheirs, IssueInstant: samlAt(0),
		NameID: "ann@acme.com", Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
		Method: samlBearer, Recipient: samlACS, SubjectInResponseTo: request, SubjectEnd: samlAt(5 * time.Minute),
		NotBefore: samlAt(-time.Minute), NotOnOrAfter: samlAt(5 * time.Minute), Audience: samlACS,
		AuthnInstant: samlAt(0), Class: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		Attributes: `<saml:Attribute Name="groups"><saml:AttributeValue xsi:type="xs:string">staff</saml:AttributeValue><saml:AttributeValue>R&amp;D</saml:AttributeValue></saml:Attribute>`,
	}
}

// element is the response, signed as it says.
func (r samlSaid) element(t testing.TB) *etree.Element {
	t.Helper()
	var raw bytes.Buffer
	if err := samlTemplate.Execute(&raw, r); err != nil {
		t.Fatal(err)
	}
	root := samlElement(t, raw.String())
	if r.key == nil {
		r.key = samlOurKey()
	}
	if !r.Unsigned {
		r.key.sign(t, root.SelectElement("Assertion"), r.signature)
	}
	if r.SignResponse {
		r.key.sign(t, root, r.around)
	}
	return root
}

func (r samlSaid) xml(t testing.TB) string { return samlWritten(t, r.element(t)) }

func samlWritten(t testing.TB, el *etree.Element) string {
	t.Helper()
	d := etree.NewDocument()
	d.SetRoot(el.Copy())
	text, err := d.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func samlDescribed(signers ...*samlSigner) string {
	var keys strings.Builder
	for _, s := range signers {
		fmt.Fprintf(&keys, `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
			base64.StdEncoding.EncodeToString(s.certificate.Raw))
	}
	return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + samlTheirs + `"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		keys.String() + `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/post"/><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso?tenant=a%20b"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}

// samlBackend is the backend of a provider that has declared its metadata.
func samlBackend(t testing.TB, settings model.SAMLSettings, signers ...*samlSigner) *saml {
	t.Helper()
	if settings.Metadata == "" {
		if len(signers) == 0 {
			signers = []*samlSigner{samlOurKey()}
		}
		settings.Metadata = samlDescribed(signers...)
	}
	b, err := New(&model.Provider{UID: "uid-1", Namespace: "acme", Name: "idp", SAML: &settings}, Env{Issuer: "https://auth.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return b.(*saml)
}

// samlAsked is what is kept of a request at noon whose ID is _q1.
const samlAsked = `{"provider":"uid-1","handle":"h1","request":"_q1","began":"2026-11-21T12:00:00Z"}`

func samlForm(text string) url.Values {
	return url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(text))}, "RelayState": {"h1"}}
}

// answer has the backend judge a response to samlAsked.
func (s *saml) answer(t testing.TB, text string) (Proof, error) {
	t.Helper()
	return s.Validate(t.Context(), Answer{Now: samlNoon, State: []byte(samlAsked), Form: samlForm(text)})
}

// samlRefuses fails unless it was refused for this reason.
func samlRefuses(t *testing.T, err error, reason string) {
	t.Helper()
	if !errors.Is(err, ErrRefused) || !strings.Contains(fmt.Sprint(err), reason) {
		t.Errorf("%v\nwant a refusal: %s", err, reason)
	}
}
