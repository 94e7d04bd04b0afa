package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/beevik/etree"
	"github.com/mattermost/xml-roundtrip-validator"
)

// Namespaces of what is read.
const (
	samlProtocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	samlAssertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	samlMetadataNS  = "urn:oasis:names:tc:SAML:2.0:metadata"
	samlSignatureNS = "http://www.w3.org/2000/09/xmldsig#"
)

// samlBounds is how much of a document is read.
type samlBounds struct {
	bytes    int
	elements int
	comments bool // comments and CDATA are read over, but inside of what is taken as text
}

var (
	// A response: an assertion with some hundred groups is 60 KiB.
	samlResponseBounds = samlBounds{bytes: 256 << 10, elements: 1000}
	// The metadata of one provider; some are a federation's.
	samlMetadataBounds = samlBounds{bytes: 1 << 20, elements: 20_000, comments: true}
)

const (
	samlDepth = 32
	samlAttrs = 64 // of one element
)

var (
	samlEncoding = regexp.MustCompile(`encoding\s*=\s*["']([^"']*)["']`)
	samlLocal    = regexp.MustCompile(`^[\p{L}_][\p{L}\p{M}\p{N}_.\-]*$`) // what may stand beside a colon
	samlNCName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
)

// readSAML reads a document of which there is only one way to understand it, or none: no
// document type and so no entity, no second root, nothing that encoding/xml reads otherwise
// than it was written (CVE-2020-29509, -29510, -29511), no attribute twice, no prefix that
// nobody declared. Its errors hold nothing of the document.
func readSAML(raw []byte, within samlBounds) (*etree.Element, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // as files from Windows begin
	switch {
	case len(raw) > within.bytes:
		return nil, fmt.Errorf("the document has more than %d bytes", within.bytes)
	case !utf8.Valid(raw):
		return nil, errors.New("the document is not UTF-8")
	case !within.comments && bytes.Contains(raw, []byte("<!")):
		// Nothing that is signed needs them, and comments have cut names in half.
		return nil, errors.New("the document has a document type, a comment or CDATA")
	case bytes.LastIndex(raw, []byte("<?")) > 0 && !within.comments:
		return nil, errors.New("the document has processing instructions")
	case validator.Validate(bytes.NewReader(raw)) != nil:
		return nil, errors.New("the document is no XML, or such that programs read it differently")
	}
	d := etree.NewDocument()
	d.ReadSettings = etree.ReadSettings{MaxDepth: samlDepth, PreserveDuplicateAttrs: true}
	if err := d.ReadFromBytes(raw); err != nil {
		return nil, fmt.Errorf("the document is no XML, or nested more than %d deep", samlDepth)
	}
	root, err := samlRoot(d)
	if err != nil {
		return nil, err
	}
	left := within.elements
	return root, samlWellFormed(root, &left)
}

// samlRoot is the one element of the document.
func samlRoot(d *etree.Document) (root *etree.Element, err error) {
	for i, token := range d.Child {
		switch token := token.(type) {
		case *etree.Element:
			if root != nil {
				return nil, errors.New("the document has two roots")
			}
			root = token
		case *etree.Directive:
			return nil, errors.New("the document has a document type")
		case *etree.ProcInst:
			encoding := samlEncoding.FindStringSubmatch(token.Inst)
			if i == 0 && encoding != nil && !strings.EqualFold(encoding[1], "utf-8") {
				return nil, errors.New("the document is not UTF-8")
			}
		case *etree.CharData:
			if strings.Trim(token.Data, samlSpace) != "" {
				return nil, errors.New("the document has text beside its root")
			}
		}
	}
	if root == nil {
		return nil, errors.New("the document is empty")
	}
	return root, nil
}

// samlWellFormed is what Namespaces in XML ask for and encoding/xml does not.
func samlWellFormed(el *etree.Element, left *int) error {
	if *left--; *left < 0 {
		return errors.New("the document has too many elements")
	}
	if len(el.Attr) > samlAttrs {
		return errors.New("an element has too many attributes")
	}
	if !samlLocal.MatchString(el.Tag) {
		return errors.New("an element has a name that is none")
	}
	if el.Space == "xmlns" || el.Space != "" && el.NamespaceURI() == "" {
		return errors.New("an element has a prefix that nobody declared")
	}
	seen := make(map[[2]string]bool, len(el.Attr))
	for _, a := range el.Attr {
		if !samlLocal.MatchString(a.Key) {
			return errors.New("an attribute has a name that is none")
		}
		space := a.Space
		if space != "" && space != "xmlns" && space != "xml" {
			if space = a.NamespaceURI(); space == "" {
				return errors.New("an attribute has a prefix that nobody declared")
			}
		}
		name := [2]string{space, a.Key}
		if seen[name] {
			return errors.New("an element has an attribute twice")
		}
		seen[name] = true
	}
	for _, token := range el.Child {
		switch token := token.(type) {
		case *etree.Element:
			if err := samlWellFormed(token, left); err != nil {
				return err
			}
		case *etree.Directive: // encoding/xml takes one anywhere
			return errors.New("the document has a document type")
		}
	}
	return nil
}

// samlSpace is XML's white space.
const samlSpace = " \t\r\n"

// samlText is all of an element's text. It is an error if there is more in it than text:
// what stands before a comment is not the whole (CVE-2017-11427 and its siblings).
func samlText(el *etree.Element) (string, error) {
	var all strings.Builder
	for _, token := range el.Child {
		text, ok := token.(*etree.CharData)
		if !ok {
			return "", fmt.Errorf("%s is to be text and nothing else", samlName(el))
		}
		all.WriteString(text.Data)
	}
	return all.String(), nil
}

// samlURI is the text of an element of type anyURI, whose white space means nothing.
func samlURI(el *etree.Element) (string, error) {
	text, err := samlText(el)
	return strings.Trim(text, samlSpace), err
}

// samlTime is an attribute of type dateTime. Zero: there is none.
func samlTime(el *etree.Element, name string) (time.Time, error) {
	text := samlAttr(el, name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s of %s is no time", name, samlName(el))
	}
	return at.UTC(), nil
}

// samlAttr is an attribute without a prefix; etree itself takes one with any.
func samlAttr(el *etree.Element, name string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}

func samlIs(el *etree.Element, namespace, name string) bool {
	return el.Tag == name && el.NamespaceURI() == namespace
}

// samlAll are the children of this name.
func samlAll(el *etree.Element, namespace, name string) (all []*etree.Element) {
	for child := range el.ChildElementsSeq() {
		if samlIs(child, namespace, name) {
			all = append(all, child)
		}
	}
	return all
}

// samlMaybe is the only child of this name, nil if there is none.
func samlMaybe(el *etree.Element, namespace, name string) (*etree.Element, error) {
	all := samlAll(el, namespace, name)
	if len(all) > 1 {
		return nil, fmt.Errorf("%s has more than one %s", samlName(el), name)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all[0], nil
}

// samlOne is the only child of this name.
func samlOne(el *etree.Element, namespace, name string) (*etree.Element, error) {
	child, err := samlMaybe(el, namespace, name)
	if err == nil && child == nil {
		err = fmt.Errorf("%s has no %s", samlName(el), name)
	}
	return child, err
}

// samlName is the name of an element if it is one that is known: all others are the words
// of whoever wrote the document.
func samlName(el *etree.Element) string {
	switch el.NamespaceURI() {
	case samlProtocolNS, samlAssertionNS, samlMetadataNS, samlSignatureNS:
		if samlKnown[el.Tag] {
			return el.Tag
		}
	}
	return "an element"
}

var samlKnown = func() map[string]bool {
	known := map[string]bool{}
	for _, name := range []string{
		"Response", "Status", "StatusCode", "Assertion", "Issuer", "Subject", "NameID", "SubjectConfirmation", "SubjectConfirmationData",
		"Conditions", "AudienceRestriction", "Audience", "AuthnStatement", "AuthnContext", "AuthnContextClassRef", "AttributeStatement",
		"Attribute", "AttributeValue", "Signature", "SignedInfo", "CanonicalizationMethod", "SignatureMethod", "Reference", "Transforms",
		"Transform", "DigestMethod", "DigestValue", "SignatureValue", "KeyInfo", "X509Data", "X509Certificate", "EntityDescriptor",
		"EntitiesDescriptor", "IDPSSODescriptor", "KeyDescriptor", "SingleSignOnService",
	} {
		known[name] = true
	}
	return known
}()
