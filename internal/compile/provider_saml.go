package compile

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Bounds of what the schema bounds too, and of what it cannot.
const (
	metadataMost      = 262144
	metadataDepthMost = 32
	metadataPartsMost = 20_000
	caBundleMost      = 65536
	caMost            = 64
)

// samlMetadata is the namespace of metadata (SAML Metadata 2.0 section 2).
const samlMetadata = "urn:oasis:names:tc:SAML:2.0:metadata"

// samlSettings also returns the entity ID of the provider, where its metadata is declared.
func samlSettings(o *v1alpha1.SAMLProvider, r *Report) (s *model.SAMLSettings, issuer string) {
	const field = "spec.saml."
	s = &model.SAMLSettings{
		Metadata: o.Metadata, EntityID: o.EntityID, NameIDFormat: o.NameIDFormat, AllowIdPInitiated: o.AllowIdPInitiated,
		CABundle: caBundle(o.CABundle, field+"caBundle", r),
	}
	switch {
	case o.MetadataURL == "" && o.Metadata == "":
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.saml", "must give the provider's metadata in metadata, or where it publishes it in metadataURL")
	case o.MetadataURL != "" && o.Metadata != "":
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.saml", "has both metadata and metadataURL; remove one of them")
	case o.MetadataURL != "":
		s.MetadataURL = upstreamURL(o.MetadataURL, field+"metadataURL", r)
	default:
		var wrong string
		if issuer, wrong = readMetadata(o.Metadata); wrong != "" {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+"metadata", "%s", wrong)
		}
	}
	if u, wrong := readURI(o.EntityID); o.EntityID != "" && (wrong != "" || len(o.EntityID) > uriMost || u.Scheme != "https" && u.Scheme != "urn") {
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"entityID", "%s is not a name for this installation; write an absolute URI, as in https://auth.example.com/saml, or remove it", quote(o.EntityID))
	}
	switch format := o.NameIDFormat; {
	case format == "":
	case len(format) > 256 || !strings.HasPrefix(format, "urn:") || strings.ContainsFunc(format, func(c rune) bool { return c <= ' ' || c > '~' }):
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"nameIDFormat", "%s is not a format; write it like urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", quote(format))
	case strings.HasSuffix(format, ":transient"):
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"nameIDFormat", "transient names are others at each sign-in, so that nobody would come back to their account; use persistent")
	}
	if o.AllowIdPInitiated {
		r.weaken(v1alpha1.ReasonWeakSignIn, field+"allowIdPInitiated", "true: whoever has an account at the provider can sign other people's browsers in as themselves; set it to false unless people begin there")
	}
	return s, issuer
}

// readMetadata returns the entity ID of one provider, or says what is wrong. Nothing but
// elements is admitted: definitions of a document type are how XML reads files and grows.
func readMetadata(text string) (entityID, wrong string) {
	const shape = "is not the metadata of one SAML 2.0 identity provider: "
	if len(text) > metadataMost {
		return "", "is too long; use at most 262144 characters, or metadataURL"
	}
	d, depth, parts, isProvider := xml.NewDecoder(bytes.NewReader([]byte(text))), 0, 0, false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", shape + "it is no well-formed XML in UTF-8"
		}
		if parts++; parts > metadataPartsMost || depth > metadataDepthMost {
			return "", shape + "it has too many parts"
		}
		switch e := token.(type) {
		case xml.Directive:
			return "", shape + "it has a document type; remove <!" + clip(strings.Fields(string(e) + " ")[0], 16) + " …>"
		case xml.StartElement:
			depth++
			switch {
			case depth == 1 && (entityID != "" || e.Name != xml.Name{Space: samlMetadata, Local: "EntityDescriptor"}):
				return "", shape + "its root must be one EntityDescriptor of " + samlMetadata
			case depth == 1:
				entityID = attribute(e, "entityID")
			case depth == 2 && e.Name == xml.Name{Space: samlMetadata, Local: "IDPSSODescriptor"}:
				isProvider = true
			}
		case xml.EndElement:
			depth--
		}
	}
	switch {
	case entityID == "" || len(entityID) > uriMost:
		return "", shape + "its EntityDescriptor has no entityID of 1 to 1024 characters"
	case !isProvider:
		return "", shape + "it has no IDPSSODescriptor"
	}
	return entityID, ""
}

func attribute(e xml.StartElement, name string) (value string) {
	for _, a := range e.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			value = cmp.Or(value, a.Value)
		}
	}
	return value
}

// caBundle admits certificates alone; a private key among them is never shown.
func caBundle(declared v1alpha1.CABundle, field string, r *Report) string {
	rest, n := []byte(declared), 0
	if len(rest) > caBundleMost {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "is too long; use at most %d characters", caBundleMost)
		return ""
	}
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "is not PEM; write certificates from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----")
			return ""
		}
		n++
		switch _, err := x509.ParseCertificate(block.Bytes); {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "has a private key in it; write certificates only, and make a new pair in place of that one")
			return ""
		case block.Type != "CERTIFICATE" || err != nil:
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "its part %d is no certificate", n)
			return ""
		case n > caMost:
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "must have at most %d certificates", caMost)
			return ""
		}
	}
	return string(declared)
}
