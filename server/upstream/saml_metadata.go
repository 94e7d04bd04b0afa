package upstream

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// samlMetadata is what a provider says of itself, as far as it is used.
type samlMetadata struct {
	entityID     string
	sso          string // its HTTP-Redirect endpoint
	certificates []*x509.Certificate
	until        time.Time // validUntil; zero: it says none
}

// ends is when the last certificate ends.
func (m *samlMetadata) ends() (last time.Time) {
	for _, c := range m.certificates {
		if c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	return last
}

func (m *samlMetadata) over(now time.Time) bool { return !m.until.IsZero() && !now.Before(m.until) }

// parseSAMLMetadata reads the metadata of one identity provider (SAML Metadata sections 2.3
// and 2.4.3). A signature in it is not verified: whom it is from says the declaration, or
// the https URL.
func parseSAMLMetadata(raw []byte) (*samlMetadata, error) {
	root, err := readSAML(raw, samlMetadataBounds)
	if err != nil {
		return nil, err
	}
	if !samlIs(root, samlMetadataNS, "EntityDescriptor") && !samlIs(root, samlMetadataNS, "EntitiesDescriptor") {
		return nil, errors.New("the document is no metadata of SAML 2.0: it begins with neither EntityDescriptor nor EntitiesDescriptor")
	}
	role, err := samlRole(root)
	if err != nil {
		return nil, err
	}
	m := &samlMetadata{entityID: samlAttr(role.Parent(), "entityID")}
	if m.entityID == "" || len(m.entityID) > 1024 {
		return nil, errors.New("EntityDescriptor has no entityID, or one of more than 1024 characters")
	}
	if m.sso, err = samlEndpoint(role); err != nil {
		return nil, err
	}
	if m.certificates, err = samlCertificates(role); err != nil {
		return nil, err
	}
	return m, m.validity(role)
}

// samlRole is the only IDPSSODescriptor of SAML 2.0 there is: of two providers in one
// document either could be meant.
func samlRole(root *etree.Element) (only *etree.Element, err error) {
	err = samlEach(root, func(el *etree.Element) error {
		speaks := strings.Fields(samlAttr(el, "protocolSupportEnumeration"))
		if !samlIs(el, samlMetadataNS, "IDPSSODescriptor") || !slices.Contains(speaks, samlProtocolNS) {
			return nil
		}
		if el.Parent() == nil || !samlIs(el.Parent(), samlMetadataNS, "EntityDescriptor") {
			return errors.New("an IDPSSODescriptor is not where it belongs")
		}
		if only != nil {
			return errors.New("the metadata has more than one identity provider: give that of one alone")
		}
		only = el
		return nil
	})
	if err == nil && only == nil {
		err = errors.New("the metadata has no IDPSSODescriptor of SAML 2.0: it is that of a service provider, or of another protocol")
	}
	return only, err
}

// samlEndpoint is where sign-ins go to by HTTP-Redirect.
func samlEndpoint(role *etree.Element) (string, error) {
	for _, el := range samlAll(role, samlMetadataNS, "SingleSignOnService") {
		if samlAttr(el, "Binding") != "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" {
			continue
		}
		location := samlAttr(el, "Location")
		if !secureURL(location) {
			return "", errors.New("the Location of SingleSignOnService is no https URL with a host")
		}
		return location, nil
	}
	return "", errors.New("the metadata has no SingleSignOnService with the HTTP-Redirect binding")
}

// samlCertificates are those that responses may be signed by: of each KeyDescriptor that is
// not for encryption alone. More than one is a rollover under way.
func samlCertificates(role *etree.Element) (all []*x509.Certificate, err error) {
	var weak int
	for _, key := range samlAll(role, samlMetadataNS, "KeyDescriptor") {
		if use := samlAttr(key, "use"); use != "" && use != "signing" {
			continue
		}
		for _, el := range samlLeaves(key) {
			certificate, err := samlCertificate(el)
			switch {
			case err != nil:
				return nil, err
			case samlStrong(certificate):
				all = append(all, certificate)
			default:
				weak++
			}
		}
	}
	switch {
	case len(all) > 16:
		return nil, errors.New("the metadata has more than 16 certificates")
	case len(all) == 0 && weak > 0:
		return nil, errors.New("the metadata has no certificate for signing with an RSA key of 2048 bits or more, or an ECDSA key of P-256, P-384 or P-521")
	case len(all) == 0:
		return nil, errors.New("the metadata has no certificate for signing")
	}
	return all, nil
}

// samlLeaves are the first certificates of each X509Data: those after are of who issued it,
// and sign no assertions.
func samlLeaves(key *etree.Element) (leaves []*etree.Element) {
	for _, info := range samlAll(key, samlSignatureNS, "KeyInfo") {
		for _, data := range samlAll(info, samlSignatureNS, "X509Data") {
			if chain := samlAll(data, samlSignatureNS, "X509Certificate"); len(chain) > 0 {
				leaves = append(leaves, chain[0])
			}
		}
	}
	return leaves
}

func samlCertificate(el *etree.Element) (*x509.Certificate, error) {
	text, err := samlText(el)
	if err != nil {
		return nil, err
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("an X509Certificate in the metadata is not base64")
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("an X509Certificate in the metadata is no certificate")
	}
	return certificate, nil
}

func samlStrong(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		return key.Params().BitSize >= 256
	}
	return false
}

// validity takes the narrowest of what the elements around the role say.
func (m *samlMetadata) validity(role *etree.Element) error {
	for el := role; el != nil && el.Tag != ""; el = el.Parent() {
		until, err := samlTime(el, "validUntil")
		if err != nil {
			return err
		}
		if !until.IsZero() && (m.until.IsZero() || until.Before(m.until)) {
			m.until = until
		}
	}
	return nil
}

// samlOwnMetadata is what providers are to know of us (SAML Metadata section 2.4.4).
func samlOwnMetadata(entityID, acs, nameIDFormat string) ([]byte, error) {
	d := etree.NewDocument()
	d.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	entity := d.CreateElement("md:EntityDescriptor")
	entity.CreateAttr("xmlns:md", samlMetadataNS)
	entity.CreateAttr("entityID", entityID)
	role := entity.CreateElement("md:SPSSODescriptor")
	role.CreateAttr("AuthnRequestsSigned", "false")
	role.CreateAttr("WantAssertionsSigned", "true")
	role.CreateAttr("protocolSupportEnumeration", samlProtocolNS)
	if nameIDFormat != "" {
		role.CreateElement("md:NameIDFormat").SetText(nameIDFormat)
	}
	service := role.CreateElement("md:AssertionConsumerService")
	service.CreateAttr("Binding", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST")
	service.CreateAttr("Location", acs)
	service.CreateAttr("index", "0")
	service.CreateAttr("isDefault", "true")
	d.Indent(2)
	raw, err := d.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write the metadata: %w", err)
	}
	return raw, nil
}
