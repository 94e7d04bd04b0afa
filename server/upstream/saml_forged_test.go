package upstream

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// What the provider signed, but not for us, not for now or not for this. ASVS 6.8.2.
func TestWhatTheProviderSignedForSomethingElseIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*samlSaid)
		want   string
	}{
		"expired":                     {func(r *samlSaid) { r.NotOnOrAfter = samlAt(-2 * time.Minute) }, "not valid any more"},
		"issued yesterday":            {func(r *samlSaid) { r.IssueInstant = samlAt(-25 * time.Hour) }, "not valid any more"},
		"not yet valid":               {func(r *samlSaid) { r.NotBefore = samlAt(2*time.Minute + time.Second) }, "not valid yet"},
		"issued tomorrow":             {func(r *samlSaid) { r.IssueInstant = samlAt(24 * time.Hour) }, "IssueInstant"},
		"times that are none":         {func(r *samlSaid) { r.NotOnOrAfter = "tomorrow" }, "is no time"},
		"delivered too late":          {func(r *samlSaid) { r.SubjectEnd = samlAt(-2 * time.Minute) }, "may not be delivered any more"},
		"delivery has no end":         {func(r *samlSaid) { r.SubjectEnd = "" }, "has no NotOnOrAfter"},
		"for another audience":        {func(r *samlSaid) { r.Audience = "https://other.example.com/" }, "another audience"},
		"for an audience like ours":   {func(r *samlSaid) { r.Audience = samlACS + "x" }, "another audience"},
		"for no audience":             {func(r *samlSaid) { r.Audience = "" }, "whom it is for"},
		"for us and others only":      {func(r *samlSaid) { r.Conditions = samlAudience("https://other.example.com/") }, "another audience"},
		"without conditions":          {func(r *samlSaid) { r.NoConditions = true }, "has no Conditions"},
		"of an unknown condition":     {func(r *samlSaid) { r.Conditions = `<saml:Condition xsi:type="xs:x"/>` }, "a condition that is not known"},
		"restricted to the proxy":     {func(r *samlSaid) { r.Conditions = `<saml:ProxyRestriction Count="0"/>` }, "ProxyRestriction"},
		"Response to another request": {func(r *samlSaid) { r.InResponseTo = "_q2" }, "its InResponseTo"},
		"Response to no request":      {func(r *samlSaid) { r.InResponseTo = "" }, "its InResponseTo"},
		"to another request":          {func(r *samlSaid) { r.SubjectInResponseTo = "_q2" }, "InResponseTo of its SubjectConfirmationData"},
		"to no request":               {func(r *samlSaid) { r.SubjectInResponseTo = "" }, "InResponseTo of its SubjectConfirmationData"},
		"for another recipient":       {func(r *samlSaid) { r.Recipient = "https://auth.example.com/login/callback/uid-2/" }, "Recipient"},
		"for no recipient":            {func(r *samlSaid) { r.Recipient = "" }, "Recipient"},
		"to another destination":      {func(r *samlSaid) { r.Destination = "https://auth.example.com/login/callback/uid-2/" }, "Destination"},
		"to no destination":           {func(r *samlSaid) { r.Destination = "" }, "Destination"},
		"of another issuer":           {func(r *samlSaid) { r.AssertionIssuer = "https://other.example.com/" }, "Issuer is not the provider"},
		"Response of another issuer":  {func(r *samlSaid) { r.Issuer = "https://other.example.com/" }, "Issuer is not the provider"},
		"by a holder of a key":        {func(r *samlSaid) { r.Method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key" }, "bearer"},
		"without data to confirm by":  {func(r *samlSaid) { r.NoSubjectData = true }, "SubjectConfirmationData"},
		"confirmed twice":             {func(r *samlSaid) { r.Subject = `<saml:SubjectConfirmation Method="` + samlBearer + `"/>` }, "more than one SubjectConfirmation"},
		"of two names":                {func(r *samlSaid) { r.Subject = `<saml:NameID>bob@acme.com</saml:NameID>` }, "more than one NameID"},
		"of no name":                  {func(r *samlSaid) { r.NameID = "" }, "NameID is empty"},
		"of a name for another":       {func(r *samlSaid) { r.NameAttrs = ` SPNameQualifier="https://other.example.com/"` }, "one for another service"},
		"of an element for a name":    {func(r *samlSaid) { r.NameID = "ann@acme.com<x xmlns='urn:x'/>.evil.com" }, "text and nothing else"},
		"nobody signed in":            {func(r *samlSaid) { r.NoAuthn = true }, "has no AuthnStatement"},
		"signed in tomorrow":          {func(r *samlSaid) { r.AuthnInstant = samlAt(24 * time.Hour) }, "AuthnInstant"},
		"the session there is over":   {func(r *samlSaid) { r.SessionEnd = samlAt(-2 * time.Minute) }, "SessionNotOnOrAfter"},
		"signed in twice": {func(r *samlSaid) {
			r.More = `<saml:AuthnStatement AuthnInstant="` + samlAt(0) + `"><saml:AuthnContext/></saml:AuthnStatement>`
		}, "more than one AuthnStatement"},
		"an attribute without a name": {func(r *samlSaid) { r.Attributes = `<saml:Attribute/>` }, "no Name"},
		"a status of failure": {func(r *samlSaid) {
			r.Status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/>`
		}, "Responder"},
		"a status of words": {func(r *samlSaid) { r.Status = `<samlp:StatusCode Value="fine"/>` }, "StatusCode is not Success"},
		"no status":         {func(r *samlSaid) { r.Status = "" }, "Status has no StatusCode"},
		"two status codes": {func(r *samlSaid) {
			r.Status = `<samlp:StatusCode Value="` + samlSuccess + `"/><samlp:StatusCode Value="x"/>`
		}, "more than one StatusCode"},
	} {
		t.Run(name, func(t *testing.T) {
			r := samlGood("_q1")
			c.change(&r)
			for _, r.SignResponse = range []bool{false, true} {
				_, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
				samlRefuses(t, err, c.want)
			}
		})
	}
}

func samlAudience(of string) string {
	return `<saml:AudienceRestriction><saml:Audience>` + of + `</saml:Audience></saml:AudienceRestriction>`
}

// Who refuses somebody signs nothing that is of them: the log says what the matter is.
func TestARefusalOfTheProviderIsToldAsItIs(t *testing.T) {
	r := samlGood("_q1")
	r.Status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode><samlp:StatusMessage>a secret</samlp:StatusMessage>`
	root := r.element(t)
	root.RemoveChild(root.SelectElement("Assertion"))
	_, err := samlBackend(t, model.SAMLSettings{}).answer(t, samlWritten(t, root))
	samlRefuses(t, err, "not signed in there (AuthnFailed)")
	if strings.Contains(err.Error(), "a secret") {
		t.Error("what was sent is in the log")
	}
}

func TestANameOfAnotherFormatThanAskedForIsRefused(t *testing.T) {
	s := samlBackend(t, model.SAMLSettings{NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"})
	_, err := s.answer(t, samlGood("_q1").xml(t))
	samlRefuses(t, err, "nameIDFormat")
}

// What was not signed by the provider's key in a way that counts. ASVS 6.8.2.
func TestWhatIsNotSignedAsItShouldIsRefused(t *testing.T) {
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		change func(*samlSaid)
		want   string
	}{
		"unsigned":                          {func(r *samlSaid) { r.Unsigned = true }, "not signed"},
		"unsigned in a signed Response":     {func(r *samlSaid) { r.Unsigned, r.SignResponse = true, true }, "have the provider sign assertions"},
		"another key":                       {func(r *samlSaid) { r.key, r.signature.keyInfo = samlOtherKey(), "none" }, errSAMLKey.Error()},
		"another key, its certificate sent": {func(r *samlSaid) { r.key = samlOtherKey() }, errSAMLKey.Error()},
		"another key, our certificate sent": {func(r *samlSaid) {
			r.key, r.signature.keyInfo = samlOtherKey(), `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>`+base64.StdEncoding.EncodeToString(samlOurKey().certificate.Raw)+`</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
		}, errSAMLKey.Error()},
		"another curve's key":   {func(r *samlSaid) { r.key = samlCurve() }, errSAMLKey.Error()},
		"RSA with SHA-1":        {func(r *samlSaid) { r.signature.method = dsig.RSASHA1SignatureMethod }, "algorithm is none of"},
		"a digest of SHA-1":     {func(r *samlSaid) { r.signature.digest = "http://www.w3.org/2000/09/xmldsig#sha1" }, "digest is none of"},
		"SHA-1 around":          {func(r *samlSaid) { r.SignResponse, r.around.method = true, dsig.RSASHA1SignatureMethod }, "the Signature of its Response"},
		"a digest named MD5":    {func(r *samlSaid) { r.signature.method = "http://www.w3.org/2001/04/xmldsig-more#md5-sha256" }, "algorithm is none of"},
		"HMAC with our key":     {func(r *samlSaid) { r.signature.method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256" }, "algorithm is none of"},
		"an empty reference":    {func(r *samlSaid) { r.signature.uri = text("") }, "one of something else"},
		"a reference to #":      {func(r *samlSaid) { r.signature.uri = text("#") }, "one of something else"},
		"of the Response":       {func(r *samlSaid) { r.signature.uri = text("#_r1") }, "one of something else"},
		"an XPointer":           {func(r *samlSaid) { r.signature.uri = text("#xpointer(/)") }, "one of something else"},
		"a reference to a file": {func(r *samlSaid) { r.signature.uri = text("file:///etc/passwd") }, "one of something else"},
		"two references": {func(r *samlSaid) {
			r.signature.more = `<ds:Reference URI="#_r1"><ds:Transforms/><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>`
		}, "other elements"},
		"no transforms": {func(r *samlSaid) { r.signature.transforms = " " }, "other elements"},
		"another transform": {func(r *samlSaid) {
			r.signature.transforms = samlTransforms("http://www.w3.org/TR/1999/REC-xslt-19991116")
		}, "canonical form"},
		"an XPath": {func(r *samlSaid) {
			r.signature.transforms = samlTransforms("http://www.w3.org/TR/1999/REC-xpath-19991116")
		}, "canonical form"},
		"inclusive": {func(r *samlSaid) {
			r.signature.transforms = samlTransforms("http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
		}, "canonical form"},
		"no ID":        {func(r *samlSaid) { r.AssertionID = "" }, "an ID in it is no name"},
		"an ID of two": {func(r *samlSaid) { r.AssertionID = "_r1" }, "not the only one"},
	} {
		t.Run(name, func(t *testing.T) {
			r := samlGood("_q1")
			c.change(&r)
			_, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
			samlRefuses(t, err, c.want)
		})
	}
}

func samlTransforms(algorithm string) string {
	return `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="` + algorithm + `"/>`
}

// An ECDSA signature as X.509 has it is none of XML Signature's: taking both would be
// taking one in two ways.
func TestAnECDSASignatureHasOneForm(t *testing.T) {
	r := samlGood("_q1")
	r.key, r.signature.asn1 = samlCurve(), true
	_, err := samlBackend(t, model.SAMLSettings{}, samlCurve()).answer(t, r.xml(t))
	samlRefuses(t, err, errSAMLKey.Error())
	r.signature.asn1 = false
	for _, value := range []string{"", "AAAA", base64.StdEncoding.EncodeToString(make([]byte, 64)), base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		root := r.element(t)
		root.FindElement("./Assertion/Signature/SignatureValue").SetText(value)
		_, err := samlBackend(t, model.SAMLSettings{}, samlCurve()).answer(t, samlWritten(t, root))
		samlRefuses(t, err, errSAMLKey.Error())
	}
}

// Whoever changes one thing of what is signed has signed nothing. Each was good before.
func TestWhatWasChangedAfterItWasSignedIsRefused(t *testing.T) {
	for _, from := range []struct{ is, becomes string }{
		{">ann@acme.com<", ">bob@acme.com<"},
		{">staff<", ">owners<"},
		{`Recipient="https://auth`, `Recipient="https://xuth`},
		{"PasswordProtectedTransport", "MobileTwoFactorContract"},
		{`<saml:Attribute Name="groups">`, `<saml:Attribute Name="roles">`},
		{`<saml:AttributeStatement>`, `<saml:AttributeStatement> `},
		{`ID="_a1"`, `ID="_a9"`},
		{`URI="#_a1"`, `URI="#_r1"`},
		{`<ds:DigestValue>`, `<ds:DigestValue>A`},
		{`<ds:SignatureValue>`, `<ds:SignatureValue>AAAA`},
		{`xmldsig-more#rsa-sha256`, `xmldsig-more#rsa-sha512`},
		{`xmldsig-more#rsa-sha256`, `xmldsig-more#ecdsa-sha256`},
		{`<ds:SignatureValue>`, `<ds:SignatureValue></ds:SignatureValue><ds:SignatureValue>`},
		{`</ds:Signature>`, `</ds:Signature><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>`},
		{`</ds:Signature>`, `<ds:Object/></ds:Signature>`},
	} {
		good := samlGood("_q1").xml(t)
		if !strings.Contains(good, from.is) {
			t.Fatalf("%s is not in the response", from.is)
		}
		_, err := samlBackend(t, model.SAMLSettings{}).answer(t, strings.ReplaceAll(good, from.is, from.becomes))
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s for %s: %v", from.becomes, from.is, err)
		}
	}
}

// The Response's own signature counts where there is one, though nothing is taken from it.
func TestABadSignatureAroundAGoodOneIsRefused(t *testing.T) {
	r := samlGood("_q1")
	r.SignResponse = true
	_, err := samlBackend(t, model.SAMLSettings{}).answer(t, strings.Replace(r.xml(t), `ID="_r1" Version="2.0" IssueInstant="2026`, `ID="_r1" Version="2.0" IssueInstant="2025`, 1))
	samlRefuses(t, err, errSAMLKey.Error())
}

// Comments are not signed, and parsers have cut names at them: CVE-2017-11427 and -11428,
// CVE-2018-0489. A comment in a name is refused before and after the provider signed it.
func TestACommentCutsNoName(t *testing.T) {
	for _, name := range []string{"ann@acme.com<!---->.evil.com", "<!---->ann@acme.com", "ann@acme.com<!-- x -->", "ann@acme.com<?x y?>.evil.com", "ann<?x?>@acme.com"} {
		r := samlGood("_q1")
		r.NameID = name
		s := samlBackend(t, model.SAMLSettings{})
		_, err := s.answer(t, r.xml(t))
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "comment or CDATA") && !strings.Contains(err.Error(), "processing instructions") {
			t.Errorf("signed with it, %s: %v", name, err)
		}
		r.NameID = "ann@acme.com.evil.com"
		_, err = s.answer(t, strings.Replace(r.xml(t), "ann@acme.com.evil.com", "ann@acme.com<!---->.evil.com", 1))
		samlRefuses(t, err, "comment")
		_, err = s.answer(t, strings.Replace(samlGood("_q1").xml(t), "ann@acme.com<", "ann<![CDATA[@]]>acme.com<", 1))
		samlRefuses(t, err, "CDATA")
		// In values, digests (CVE-2025-29775) and signatures it is the same.
		for _, at := range []string{"<ds:DigestValue>", "<ds:SignatureValue>", "<saml:AttributeValue>", "<samlp:Status>"} {
			_, err = s.answer(t, strings.Replace(samlGood("_q1").xml(t), at, at+"<!---->", 1))
			samlRefuses(t, err, "comment")
		}
	}
	// What is text in two pieces is whole.
	r := samlGood("_q1")
	r.NameID = "ann@acme.com&#46;evil&#x2e;com"
	proof, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
	if err != nil || proof.Claims["name_id"] != "ann@acme.com.evil.com" {
		t.Errorf("%v, %v", proof.Claims["name_id"], err)
	}
}

func TestTextIsAllOfItOrNothing(t *testing.T) {
	d := etree.NewDocument()
	if err := d.ReadFromString("<a>ann@acme.com<!---->.evil.com</a>"); err != nil {
		t.Fatal(err)
	}
	if text, err := samlText(d.Root()); err == nil {
		t.Errorf("%q", text)
	}
}

// Documents that say something else to another program, or that grow, or reach out.
func TestDocumentsThatCanBeReadInTwoWaysAreRefused(t *testing.T) {
	good := samlGood("_q1").xml(t)
	laughs := `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;"><!ENTITY lol2 "&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;">]>`
	for name, text := range map[string]string{
		"nothing":                           "",
		"no XML":                            "hello",
		"a document type":                   "<!DOCTYPE x>" + good,
		"an external entity":                `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + strings.Replace(good, "ann@", "&e;", 1),
		"an external document type":         `<!DOCTYPE x SYSTEM "https://evil.example.com/x.dtd">` + good,
		"a billion laughs":                  laughs + strings.Replace(good, "ann@", "&lol2;", 1),
		"an entity that nobody declared":    strings.Replace(good, "ann@", "&e;", 1),
		"a document type inside":            strings.Replace(good, "<samlp:Status>", "<samlp:Status><!DOCTYPE x>", 1),
		"an instruction":                    "<?xml version='1.0'?><?evil x?>" + good,
		"another encoding":                  "<?xml version='1.0' encoding='ISO-8859-1'?>" + good,
		"UTF-7":                             "<?xml version='1.0' encoding='UTF-7'?>" + good,
		"UTF-16":                            "\xff\xfe<\x00a\x00/\x00>\x00",
		"bytes that are no UTF-8":           strings.Replace(good, "ann@", "ann\xff@", 1),
		"a NUL":                             strings.Replace(good, "ann@", "ann\x00@", 1),
		"two roots":                         good + good,
		"text after the end":                good + "x",
		"no end":                            strings.TrimSuffix(good, "</samlp:Response>"),
		"an attribute twice":                strings.Replace(good, `ID="_a1"`, `ID="_a1" ID="_a2"`, 1),
		"an attribute twice by prefixes":    strings.Replace(good, `ID="_a1"`, `ID="_a1" xmlns:p="urn:x" xmlns:q="urn:x" p:i="1" q:i="2"`, 1),
		"an ID with a prefix":               strings.Replace(good, `ID="_a1"`, `xmlns:p="urn:x" p:ID="_a2" ID="_a1"`, 1),
		"an xml:id":                         strings.Replace(good, `ID="_a1"`, `xml:id="_a2" ID="_a1"`, 1),
		"a prefix that nobody declared":     strings.Replace(good, "<samlp:Status>", "<samlp:Status><zz:a/>", 1),
		"nested":                            strings.Replace(good, "<samlp:Status>", "<samlp:Status>"+strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100), 1),
		"many elements":                     strings.Replace(good, "<samlp:Status>", "<samlp:Status>"+strings.Repeat("<a/>", 1100), 1),
		"large":                             strings.Replace(good, "ann@", strings.Repeat("a", 256<<10)+"@", 1),
		"many attributes":                   strings.Replace(good, "<samlp:Status>", "<samlp:Status"+samlManyAttributes()+">", 1),
		"no prefix (CVE-2020-29509)":        strings.Replace(good, "<samlp:Status>", "<samlp:Status :a='x'>", 1),
		"a colon too much (CVE-2020-29511)": strings.Replace(good, "<samlp:Status>", "<samlp:Status><x::a/>", 1),
		"a directive (CVE-2020-29510)":      strings.Replace(good, "<samlp:Status>", `<samlp:Status><!<<!-- -->!-->"--> " >`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := samlBackend(t, model.SAMLSettings{}).answer(t, text)
			if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), errSAMLKey.Error()) {
				t.Errorf("%v", err)
			}
		})
	}
}

func samlManyAttributes() string {
	var all strings.Builder
	for i := range 100 {
		all.WriteString(" a" + strings.Repeat("b", i) + "='1'")
	}
	return all.String()
}

// gosaml2 and others inflate what is no XML: here it is none.
func TestTheFormHasOneResponseInBase64(t *testing.T) {
	good := samlGood("_q1").xml(t)
	var deflated bytes.Buffer
	w, _ := flate.NewWriter(&deflated, flate.BestCompression)
	_, _ = w.Write([]byte(good))
	_ = w.Close()
	encoded := base64.StdEncoding.EncodeToString([]byte(good))
	for name, form := range map[string]url.Values{
		"none":        {},
		"empty":       {"SAMLResponse": {""}},
		"two":         {"SAMLResponse": {encoded, encoded}},
		"no base64":   {"SAMLResponse": {"<samlp:Response/>"}},
		"deflated":    samlForm(deflated.String()),
		"an artifact": {"SAMLart": {encoded}},
		"large":       {"SAMLResponse": {strings.Repeat("A", 2<<20)}},
	} {
		form.Set("RelayState", "h1")
		_, err := samlBackend(t, model.SAMLSettings{}).Validate(t.Context(), Answer{Now: samlNoon, State: []byte(samlAsked), Form: form})
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	lines := strings.Join(strings.SplitAfter(encoded, encoded[:76]), "\r\n") + "\r\n"
	if _, err := samlBackend(t, model.SAMLSettings{}).Validate(t.Context(), Answer{Now: samlNoon, State: []byte(samlAsked), Form: url.Values{"SAMLResponse": {lines}, "RelayState": {"h1"}}}); err != nil {
		t.Errorf("in lines: %v", err)
	}
}

func TestAnEncryptedAssertionIsRefusedWithTheCure(t *testing.T) {
	root := samlGood("_q1").element(t)
	root.RemoveChild(root.SelectElement("Assertion"))
	root.AddChild(samlElement(t, `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>`))
	_, err := samlBackend(t, model.SAMLSettings{}).answer(t, samlWritten(t, root))
	samlRefuses(t, err, "switch encryption off at the provider")
}

// A refusal says what is wrong in our words: nothing that was sent is in it.
func TestNoRefusalRepeatsWhatWasSent(t *testing.T) {
	mark := "s3cr3t-mark"
	for i, change := range []func(*samlSaid){
		func(r *samlSaid) { r.Issuer = mark },
		func(r *samlSaid) { r.AssertionIssuer = mark },
		func(r *samlSaid) { r.Audience = mark },
		func(r *samlSaid) { r.Recipient = mark },
		func(r *samlSaid) { r.NotBefore = mark },
		func(r *samlSaid) { r.Status = `<samlp:StatusCode Value="` + mark + `"/>` },
		func(r *samlSaid) { r.More = `<saml:` + mark + `/>`; r.NotOnOrAfter = mark },
		func(r *samlSaid) { r.signature.method = mark + "#sha256" },
		func(r *samlSaid) { r.AuthnInstant = mark },
	} {
		r := samlGood("_q1")
		change(&r)
		_, err := samlBackend(t, model.SAMLSettings{}).answer(t, r.xml(t))
		if !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), mark) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
