package upstream

import (
	"errors"
	"strings"
	"testing"

	"github.com/beevik/etree"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// samlForger is a response with a good assertion of ann in it, and an assertion that says bob
// and has no signature of its own.
type samlForger struct {
	response, signed, evil *etree.Element
}

func newSAMLForger(t *testing.T, around bool) samlForger {
	r := samlGood("_q1")
	r.SignResponse = around
	f := samlForger{response: r.element(t)}
	f.signed = f.response.SelectElement("Assertion")
	f.evil = f.signed.Copy()
	f.evil.CreateAttr("ID", "_evil")
	f.evil.RemoveChild(f.evil.SelectElement("Signature"))
	f.evil.FindElement("./Subject/NameID").SetText("bob@acme.com")
	return f
}

func (f samlForger) signature() *etree.Element { return f.signed.SelectElement("Signature") }

// Signature wrapping by its eight known forms (Somorovsky et al., "On Breaking SAML: Be
// Whoever You Want to Be", USENIX Security 2012, as numbered since), with the response
// signed and without. ASVS 6.8.2.
func TestEveryWrappedSignatureIsRefused(t *testing.T) {
	variants := map[string]func(f samlForger) *etree.Element{
		"1: the signed Response in the Signature of another": func(f samlForger) *etree.Element {
			return f.otherResponse(func(other, original *etree.Element) { other.SelectElement("Signature").AddChild(original) })
		},
		"2: the signed Response before the Signature of another": func(f samlForger) *etree.Element {
			return f.otherResponse(func(other, original *etree.Element) { other.InsertChildAt(1, original) })
		},
		"3: another Assertion before the signed one": func(f samlForger) *etree.Element {
			f.response.InsertChildAt(f.signed.Index(), f.evil)
			return f.response
		},
		"4: the signed Assertion inside another": func(f samlForger) *etree.Element {
			f.response.RemoveChild(f.signed)
			f.evil.AddChild(f.signed)
			f.response.AddChild(f.evil)
			return f.response
		},
		"5: another with the Signature, the signed one after it": func(f samlForger) *etree.Element {
			signature := f.signature()
			f.signed.RemoveChild(signature)
			f.evil.InsertChildAt(1, signature)
			f.response.InsertChildAt(f.signed.Index(), f.evil)
			return f.response
		},
		"6: the signed one in the Signature of another": func(f samlForger) *etree.Element {
			signature := f.signature()
			f.response.RemoveChild(f.signed)
			f.signed.RemoveChild(signature)
			signature.AddChild(f.signed)
			f.evil.InsertChildAt(1, signature)
			f.response.AddChild(f.evil)
			return f.response
		},
		"7: another in Extensions": func(f samlForger) *etree.Element {
			extensions := etree.NewElement("samlp:Extensions")
			extensions.AddChild(f.evil)
			f.response.InsertChildAt(1, extensions)
			return f.response
		},
		"8: the signed one in an Object of another's Signature": func(f samlForger) *etree.Element {
			signature := f.signature()
			f.response.RemoveChild(f.signed)
			f.signed.RemoveChild(signature)
			object := signature.CreateElement("ds:Object")
			object.AddChild(f.signed)
			f.evil.InsertChildAt(1, signature)
			f.response.AddChild(f.evil)
			return f.response
		},
	}
	for name, wrap := range variants {
		for _, around := range []bool{false, true} {
			for _, same := range []bool{false, true} {
				f := newSAMLForger(t, around)
				if same {
					f.evil.CreateAttr("ID", "_a1")
				}
				text := samlWritten(t, wrap(f))
				if !strings.Contains(text, "bob@acme.com") {
					t.Fatalf("%s: bob is not in it", name)
				}
				_, err := samlBackend(t, model.SAMLSettings{}).answer(t, text)
				if !errors.Is(err, ErrRefused) {
					t.Errorf("%s: response signed %v, IDs the same %v: %v", name, around, same, err)
				}
				// It is refused for its shape: no key has to be asked.
				if err := samlShape(samlElement(t, text)); err == nil {
					t.Errorf("%s: response signed %v, IDs the same %v has a good shape", name, around, same)
				}
			}
		}
	}
}

// otherResponse is a Response of bob with the signature of the original, which is put
// somewhere in it.
func (f samlForger) otherResponse(put func(other, original *etree.Element)) *etree.Element {
	other := f.response.Copy()
	other.CreateAttr("ID", "_evil-r")
	assertion := other.SelectElement("Assertion")
	if own := other.SelectElement("Signature"); own == nil { // the assertion's is what there is
		other.InsertChildAt(1, f.signature().Copy())
	}
	other.RemoveChild(assertion)
	put(other, f.response.Copy())
	other.AddChild(f.evil)
	return other
}

// Other places for a second thing that is read, or is signed.
func TestNothingElseIsReadOrSigned(t *testing.T) {
	for name, c := range map[string]struct {
		wrap func(f samlForger)
		want string
	}{
		"two signed assertions": {func(f samlForger) {
			second := f.signed.Copy()
			second.CreateAttr("ID", "_a2")
			f.response.AddChild(second)
		}, "more than one Assertion"},
		"another in Advice": {func(f samlForger) {
			advice := f.signed.CreateElement("saml:Advice")
			advice.AddChild(f.evil)
		}, "more than one Assertion"},
		"another in a value": {func(f samlForger) {
			f.signed.FindElement("./AttributeStatement/Attribute/AttributeValue").AddChild(f.evil)
		}, "more than one Assertion"},
		"another of another namespace": {func(f samlForger) {
			f.response.AddChild(etree.NewElement("Assertion"))
		}, "more than one Assertion"},
		"one of another namespace": {func(f samlForger) {
			f.response.RemoveChild(f.signed)
			f.response.AddChild(etree.NewElement("Assertion"))
		}, "not where it belongs"},
		"one below the status": {func(f samlForger) {
			f.response.RemoveChild(f.signed)
			f.response.SelectElement("Status").AddChild(f.signed)
		}, "not where it belongs"},
		"an encrypted one beside it": {func(f samlForger) { f.response.CreateElement("saml:EncryptedAssertion") }, "encrypted"},
		"none":                       {func(f samlForger) { f.response.RemoveChild(f.signed) }, "no Assertion"},
		"a Signature in the status": {func(f samlForger) {
			f.response.SelectElement("Status").AddChild(f.signature().Copy())
		}, "a Signature of something else"},
		"two signatures": {func(f samlForger) { f.signed.AddChild(f.signature().Copy()) }, "is not where it belongs"},
		"the signature at the end": {func(f samlForger) {
			signature := f.signature()
			f.signed.RemoveChild(signature)
			f.signed.AddChild(signature)
		}, "is not where it belongs"},
		"the assertion's signature around": {func(f samlForger) {
			signature := f.signature()
			f.signed.RemoveChild(signature)
			f.response.InsertChildAt(1, signature)
		}, "one of something else"},
		// CVE-2025-29774: a second SignedInfo that is verified, and a first that is read.
		"two SignedInfo": {func(f samlForger) {
			f.signature().AddChild(f.signature().SelectElement("SignedInfo").Copy())
		}, "other elements"},
		"a SignedInfo in another namespace": {func(f samlForger) { f.signature().AddChild(etree.NewElement("SignedInfo")) }, "other elements"},
		// CVE-2024-45409: a digest that is found somewhere else.
		"a digest in the status": {func(f samlForger) {
			f.response.CreateAttr("xmlns:ds", samlSignatureNS)
			f.response.SelectElement("Status").AddChild(f.signature().FindElement("./SignedInfo/Reference/DigestValue").Copy())
			f.signature().FindElement("./SignedInfo/Reference").RemoveChild(f.signature().FindElement("./SignedInfo/Reference/DigestValue"))
		}, "other elements"},
		"two digests": {func(f samlForger) {
			reference := f.signature().FindElement("./SignedInfo/Reference")
			reference.AddChild(reference.SelectElement("DigestValue").Copy())
		}, "other elements"},
		"something with the assertion's ID": {func(f samlForger) {
			f.response.SelectElement("Status").CreateAttr("ID", "_a1")
		}, "not the only one"},
		"something with its id": {func(f samlForger) { f.response.SelectElement("Status").CreateAttr("id", "_a1") }, "not the only one"},
		"another Response":      {func(f samlForger) { f.response.SelectElement("Status").CreateElement("samlp:Response") }, "another Response"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newSAMLForger(t, false)
			c.wrap(f)
			text := samlWritten(t, f.response)
			_, err := samlBackend(t, model.SAMLSettings{}).answer(t, text)
			samlRefuses(t, err, c.want)
		})
	}
}

// Whatever the shape admits, what is read is what the signature covers: what stands around
// it is none of it.
func TestOnlyWhatTheSignatureCoversIsRead(t *testing.T) {
	f := newSAMLForger(t, false)
	_, assertion, err := samlSigned(f.response, samlBackend(t, model.SAMLSettings{}).settings.good.certificates, samlNoon)
	if err != nil {
		t.Fatal(err)
	}
	if assertion.Parent() != nil && assertion.Parent().Tag != "" || assertion.SelectElement("Signature") != nil {
		t.Error("the assertion that is read hangs in the document that came")
	}
	f.signed.FindElement("./Subject/NameID").SetText("bob@acme.com")
	if got := assertion.FindElement("./Subject/NameID").Text(); got != "ann@acme.com" {
		t.Errorf("it reads %q", got)
	}
}

func TestSomethingElseThanAResponseIsRefused(t *testing.T) {
	f := newSAMLForger(t, false)
	s := samlBackend(t, model.SAMLSettings{})
	for _, text := range []string{
		samlWritten(t, f.signed),
		strings.ReplaceAll(samlWritten(t, f.response), "samlp:Response", "samlp:LogoutResponse"),
		strings.Replace(samlWritten(t, f.response), "urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.0:protocol", 1),
		strings.Replace(samlWritten(t, f.response), `Version="2.0"`, `Version="1.1"`, 1),
	} {
		if _, err := s.answer(t, text); !errors.Is(err, ErrRefused) {
			t.Errorf("%v: %.80s", err, text)
		}
	}
}
