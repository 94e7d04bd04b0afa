package upstream

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// The algorithms that count: SHA-1 is none of them, and everything else is not known.
var (
	samlSignatureMethods = map[string]bool{
		dsig.RSASHA256SignatureMethod: true, dsig.RSASHA384SignatureMethod: true, dsig.RSASHA512SignatureMethod: true,
		dsig.ECDSASHA256SignatureMethod: true, dsig.ECDSASHA384SignatureMethod: true, dsig.ECDSASHA512SignatureMethod: true,
	}
	samlDigestMethods = map[string]bool{
		"http://www.w3.org/2001/04/xmlenc#sha256":       true,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": true,
		"http://www.w3.org/2001/04/xmlenc#sha512":       true,
	}
	// Exclusive canonicalization is what SAML asks for (Core section 5.4.3). A response has no
	// comments, so that with and without are the same.
	samlCanonical = map[string]bool{
		string(dsig.CanonicalXML10ExclusiveAlgorithmId):             true,
		string(dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId): true,
	}
)

// errSAMLKey: the signature is none of a key that is known. Others may be published by now.
var errSAMLKey = errors.New("it is signed by no key that the provider's metadata has, or was changed since")

// errSAMLEnded: a certificate in metadata is a name for its key (Metadata Interoperability
// Profile section 2.6.1), and its end is when the provider wants the key to be gone. Nothing
// else ends what stands in a declaration.
var errSAMLEnded = errors.New("no certificate in the provider's metadata is valid now: publish a new one there, or declare the metadata again")

// samlShape refuses every response in which what is signed and what is read could be two
// things (signature wrapping): there is one Assertion, a child of the Response; it has one
// Signature, the Response has one more or none, and no other element has any; each refers to
// its own parent alone, by an ID that nothing else has.
func samlShape(response *etree.Element) error {
	if !samlIs(response, samlProtocolNS, "Response") {
		return errors.New("it is no Response of SAML 2.0")
	}
	assertion, err := samlOnlyAssertion(response)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	if err := samlEach(response, func(el *etree.Element) error { return samlPlace(el, response, assertion, ids) }); err != nil {
		return err
	}
	for _, signed := range []*etree.Element{response, assertion} {
		signature := samlSignatureOf(signed)
		switch {
		case signature == nil && signed == assertion:
			return errors.New("its Assertion is not signed: have the provider sign assertions, whether or not it signs responses")
		case signature == nil:
		default:
			if err := samlSignatureShape(signature, samlAttr(signed, "ID")); err != nil {
				return fmt.Errorf("the Signature of its %s: %w", signed.Tag, err)
			}
		}
	}
	return nil
}

// samlOnlyAssertion is the one there is, wherever one could hide, in whatever namespace.
func samlOnlyAssertion(response *etree.Element) (only *etree.Element, err error) {
	err = samlEach(response, func(el *etree.Element) error {
		switch {
		case el.Tag == "EncryptedAssertion":
			return errors.New("its Assertion is encrypted, for which no key is here: switch encryption off at the provider; TLS covers the way")
		case el.Tag != "Assertion":
		case only != nil:
			return errors.New("it has more than one Assertion")
		default:
			only = el
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case only == nil:
		return nil, errors.New("it has no Assertion")
	case only.Parent() != response || !samlIs(only, samlAssertionNS, "Assertion"):
		return nil, errors.New("its Assertion is not where it belongs")
	}
	return only, nil
}

// samlPlace refuses an element that stands where it has no business, and one that is called
// as another.
func samlPlace(el, response, assertion *etree.Element, ids map[string]bool) error {
	switch el.Tag {
	case "Response":
		if el != response {
			return errors.New("it has another Response inside")
		}
	case "Signature":
		signed := el.Parent()
		if signed != response && signed != assertion {
			return errors.New("it has a Signature of something else")
		}
		if !samlIs(el, samlSignatureNS, "Signature") || el != samlSignatureOf(signed) {
			return fmt.Errorf("the Signature of its %s is not where it belongs", signed.Tag)
		}
	}
	for _, a := range el.Attr {
		if !strings.EqualFold(a.Key, "ID") || a.Space == "xmlns" {
			continue
		}
		if a.Space != "" || ids[a.Value] || !samlNCName.MatchString(a.Value) {
			return errors.New("an ID in it is no name, or not the only one")
		}
		ids[a.Value] = true
	}
	return nil
}

// samlSignatureOf is the Signature of an element, where the schemas have it: first, or
// after the Issuer.
func samlSignatureOf(el *etree.Element) *etree.Element {
	for i, child := range el.ChildElements() {
		if i < 2 && samlIs(child, samlSignatureNS, "Signature") {
			return child
		}
	}
	return nil
}

// samlSignatureShape is the only form that a signature of SAML has (Core section 5.4): of one
// thing, its parent, in one canonical form.
func samlSignatureShape(signature *etree.Element, id string) error {
	info, err := samlChildren(signature, "SignedInfo", "SignatureValue", "KeyInfo?")
	if err != nil {
		return err
	}
	signed, err := samlChildren(info[0], "CanonicalizationMethod", "SignatureMethod", "Reference")
	if err != nil {
		return err
	}
	reference, err := samlChildren(signed[2], "Transforms", "DigestMethod", "DigestValue")
	if err != nil {
		return err
	}
	transforms, err := samlChildren(reference[0], "Transform", "Transform")
	if err != nil {
		return err
	}
	switch {
	case !samlCanonical[samlAttr(signed[0], "Algorithm")], !samlCanonical[samlAttr(transforms[1], "Algorithm")],
		samlAttr(transforms[0], "Algorithm") != string(dsig.EnvelopedSignatureAltorithmId):
		return errors.New("it is not enveloped in exclusive canonical form")
	case !samlSignatureMethods[samlAttr(signed[1], "Algorithm")]:
		return errors.New("its algorithm is none of RSA or ECDSA with SHA-256, SHA-384 or SHA-512")
	case !samlDigestMethods[samlAttr(reference[1], "Algorithm")]:
		return errors.New("its digest is none of SHA-256, SHA-384 or SHA-512")
	case id == "" || samlAttr(signed[2], "URI") != "#"+id:
		return errors.New("it is one of something else")
	}
	for _, text := range []*etree.Element{info[1], reference[2]} {
		if _, err := samlText(text); err != nil {
			return err
		}
	}
	return nil
}

// samlChildren are the children of an element of a signature, which are to be exactly these;
// the last one may be missing where its name ends with "?".
func samlChildren(el *etree.Element, names ...string) ([]*etree.Element, error) {
	children := el.ChildElements()
	last := len(names) - 1
	if name, optional := strings.CutSuffix(names[last], "?"); optional {
		names[last] = name
		if len(children) == last {
			names = names[:last]
		}
	}
	if len(children) != len(names) {
		return nil, fmt.Errorf("%s has other elements than it is to have", samlName(el))
	}
	for i, child := range children {
		if !samlIs(child, samlSignatureNS, names[i]) {
			return nil, fmt.Errorf("%s has other elements than it is to have", samlName(el))
		}
	}
	return children, nil
}

// samlEach visits the element and all below.
func samlEach(el *etree.Element, visit func(*etree.Element) error) error {
	if err := visit(el); err != nil {
		return err
	}
	for child := range el.ChildElementsSeq() {
		if err := samlEach(child, visit); err != nil {
			return err
		}
	}
	return nil
}

// samlSigned verifies a response of the right shape, and returns what is signed of it: the
// Assertion as its canonical form reads, which is all that anything is taken from, and the
// Response, as verified if it is signed too.
func samlSigned(response *etree.Element, certificates []*x509.Certificate, now time.Time) (envelope, assertion *etree.Element, err error) {
	envelope = response
	if samlSignatureOf(response) != nil {
		if envelope, err = samlVerify(response, certificates, now); err != nil {
			return nil, nil, err
		}
	}
	inside, err := samlOne(envelope, samlAssertionNS, "Assertion")
	if err != nil {
		return nil, nil, err
	}
	around, err := etreeutils.NSBuildParentContext(inside)
	if err != nil {
		return nil, nil, errors.New("its namespaces cannot be told")
	}
	alone, err := etreeutils.NSDetatch(around, inside)
	if err != nil {
		return nil, nil, errors.New("its namespaces cannot be told")
	}
	assertion, err = samlVerify(alone, certificates, now)
	return envelope, assertion, err
}

// samlVerify returns what the Signature of an element covers. Keys are those that the
// metadata has, and which one it was nobody is asked: KeyInfo, which anybody can write, is
// left out.
func samlVerify(el *etree.Element, certificates []*x509.Certificate, now time.Time) (*etree.Element, error) {
	wrong := errSAMLEnded
	for _, certificate := range certificates {
		if now.Before(certificate.NotBefore.Add(-samlLeeway)) || now.After(certificate.NotAfter) {
			continue
		}
		wrong = errSAMLKey
		candidate := el.Copy()
		if !samlPlainSignature(samlSignatureOf(candidate), certificate) {
			continue
		}
		within := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
		within.Clock = dsig.NewFakeClockAt(certificate.NotAfter) // it was judged above
		if signed, bad := within.Validate(candidate); bad == nil && signed != nil {
			return signed, nil
		}
	}
	return nil, wrong
}

// samlPlainSignature rewrites what is not signed of a Signature for the verifier: without
// KeyInfo, the value without white space, and one of ECDSA, which XML Signature has as two
// numbers side by side (section 6.4.3), as X.509 does. False: the key cannot have made it.
func samlPlainSignature(signature *etree.Element, certificate *x509.Certificate) bool {
	children := signature.ChildElements()
	if len(children) == 3 {
		signature.RemoveChild(children[2])
	}
	text, err := samlText(children[1])
	if err != nil {
		return false
	}
	value, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return false
	}
	if key, ok := certificate.PublicKey.(*ecdsa.PublicKey); ok {
		size := (key.Params().BitSize + 7) / 8
		if len(value) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
		if value, err = asn1.Marshal(struct{ R, S *big.Int }{r, s}); err != nil {
			return false
		}
	}
	children[1].SetText(base64.StdEncoding.EncodeToString(value))
	return true
}
