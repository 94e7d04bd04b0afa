package upstream_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
)

// samlTemplate is a response as xmlsec1 signs it: methods and namespaces are filled in.
const samlTemplate = `<?xml version="1.0" encoding="UTF-8"?>
<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="r1" Version="2.0" IssueInstant="%[1]s" Destination="%[3]s" InResponseTo="%[6]s">
  <Issuer>urn:idp</Issuer>
  <samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
  <Assertion ID="a1" Version="2.0" IssueInstant="%[1]s">
    <Issuer>urn:idp</Issuer>
    <Signature xmlns="http://www.w3.org/2000/09/xmldsig#">
      <SignedInfo>
        <CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
        <SignatureMethod Algorithm="%[4]s"/>
        <Reference URI="#a1">
          <Transforms>
            <Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
            <Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><InclusiveNamespaces xmlns="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="%[5]s"/></Transform>
          </Transforms>
          <DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>
          <DigestValue></DigestValue>
        </Reference>
      </SignedInfo>
      <SignatureValue></SignatureValue>
      <KeyInfo><KeyName>key-1</KeyName></KeyInfo>
    </Signature>
    <Subject>
      <NameID>ann &amp; bob</NameID>
      <SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><SubjectConfirmationData InResponseTo="%[6]s" Recipient="%[3]s" NotOnOrAfter="%[2]s"/></SubjectConfirmation>
    </Subject>
    <Conditions NotBefore="%[1]s" NotOnOrAfter="%[2]s"><AudienceRestriction><Audience>
      %[3]s
    </Audience></AudienceRestriction></Conditions>
    <AuthnStatement AuthnInstant="%[1]s"><AuthnContext><AuthnContextClassRef>https://refeds.org/profile/mfa</AuthnContextClassRef></AuthnContext></AuthnStatement>
    <AttributeStatement><Attribute Name="groups"><AttributeValue xsi:type="xs:string">staff</AttributeValue></Attribute></AttributeStatement>
  </Assertion>
</samlp:Response>
`

// Signatures of xmlsec1, which most identity providers that are not written in Java sign by:
// of RSA and of every curve, with prefixes that only a value uses, a default namespace that
// is another one within, and white space everywhere.
func TestSignaturesOfXMLSec1AreTaken(t *testing.T) {
	t.Parallel()
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	for _, c := range []struct {
		name, method, prefixes string
		key                    func() (crypto.Signer, error)
	}{
		{"RSA", more + "rsa-sha256", "", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
		{"prefixes", more + "rsa-sha512", "xs #default", func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }},
		{"P-256", more + "ecdsa-sha256", "xs", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
		{"P-384", more + "ecdsa-sha384", "xs", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }},
		{"P-521", more + "ecdsa-sha512", "xs", func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P521(), rand.Reader) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			key, err := c.key()
			must(t, err)
			b, now := samlDeclared(t, key), time.Now().UTC()
			step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: now})
			must(t, err)
			signed := xmlsec1(t, key, fmt.Sprintf(samlTemplate, now.Format(time.RFC3339), now.Add(time.Minute).Format(time.RFC3339),
				b.Describe().CallbackURL, c.method, c.prefixes, samlRequestID(t, step.Redirect)))
			answer := func(text string) (upstream.Proof, error) {
				return b.Validate(t.Context(), upstream.Answer{Now: now, State: step.State, Form: samlPosted(text, step.Handle)})
			}
			proof, err := answer(signed)
			if err != nil || proof.Claims["name_id"] != "ann & bob" || len(proof.AMR) != 1 || proof.AMR[0] != "mfa" {
				t.Errorf("%+v, %v", proof, err)
			}
			if _, err := answer(strings.Replace(signed, ">staff<", ">owners<", 1)); !errors.Is(err, upstream.ErrRefused) {
				t.Errorf("changed: %v", err)
			}
		})
	}
}

func samlPosted(text, relayState string) url.Values {
	return url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(text))}, "RelayState": {relayState}}
}

// samlRequestID is the ID of the AuthnRequest in a URL.
func samlRequestID(t *testing.T, in string) string {
	t.Helper()
	u, err := url.Parse(in)
	must(t, err)
	raw, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	must(t, err)
	var request struct {
		ID string `xml:"ID,attr"`
	}
	must(t, xml.NewDecoder(flate.NewReader(bytes.NewReader(raw))).Decode(&request))
	return request.ID
}

// samlDeclared is the backend of a provider whose metadata, with this key, is declared.
func samlDeclared(t *testing.T, key crypto.Signer) upstream.Backend {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	b, err := upstream.New(&model.Provider{UID: "uid-1", SAML: &model.SAMLSettings{Metadata: `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:idp"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		base64.StdEncoding.EncodeToString(der) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/"/></IDPSSODescriptor></EntityDescriptor>`}}, upstream.Env{Issuer: "https://auth.example.com"})
	must(t, err)
	return b
}

// xmlsec1 fills in the Signature of a document.
func xmlsec1(t *testing.T, key crypto.Signer, document string) string {
	t.Helper()
	dir := t.TempDir()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "in.xml"), []byte(document), 0o600))
	c := exec.CommandContext(t.Context(), "xmlsec1", "--sign", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--privkey-pem", filepath.Join(dir, "key.pem"), "--output", filepath.Join(dir, "out.xml"), filepath.Join(dir, "in.xml"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("xmlsec1: %v: %s\nis it installed? `make programs` does it", err, out)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "out.xml"))
	must(t, err)
	return string(signed)
}
