package compile

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"net/url"
	"regexp"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Bounds of a logo: of what is fetched, and of what a browser unpacks.
const (
	logoBytesMost  = 64 << 10
	logoPixelsMost = 1024
)

var colorShape = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// branding reads what people see. It restricts nothing, so what is wrong is left out.
func branding(b *v1alpha1.Branding, r *Report) model.Branding {
	if b == nil {
		return model.Branding{}
	}
	color := ""
	switch {
	case b.PrimaryColor == "":
	case !colorShape.MatchString(b.PrimaryColor):
		r.find(v1alpha1.ReasonInvalidSpec, "spec.branding.primaryColor", "%s is not a colour; write it like #5b3df5", quote(b.PrimaryColor))
	default:
		color = strings.ToLower(b.PrimaryColor)
	}
	return model.NewBranding(color, supportURL(b.SupportURL, r), logo(b.Logo, r))
}

// supportURL is a link that people follow from our pages: https alone, so that it is no
// script and nobody on the way writes the help.
func supportURL(raw string, r *Report) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || len(raw) > 512 || strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.find(v1alpha1.ReasonInvalidSpec, "spec.branding.supportURL", "%s is not a link for people; write it like https://help.acme.com", quote(raw))
		return ""
	}
	return raw
}

// logo admits PNG alone: it holds neither script nor references, and browsers take it for
// nothing else.
func logo(raw string, r *Report) []byte {
	const field, prefix = "spec.branding.logo", "data:image/png;base64,"
	if raw == "" {
		return nil
	}
	text, found := strings.CutPrefix(raw, prefix)
	if !found {
		r.find(v1alpha1.ReasonInvalidSpec, field, "must begin with %s; convert the picture to PNG", prefix)
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		r.find(v1alpha1.ReasonInvalidSpec, field, "is not base64 after %s; encode it without line ends", prefix)
		return nil
	}
	if len(content) > logoBytesMost {
		r.find(v1alpha1.ReasonInvalidSpec, field, "has %d bytes; use at most %d", len(content), logoBytesMost)
		return nil
	}
	size, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		r.find(v1alpha1.ReasonInvalidSpec, field, "is not a PNG; convert the picture")
		return nil
	}
	if size.Width < 1 || size.Height < 1 || size.Width > logoPixelsMost || size.Height > logoPixelsMost {
		r.find(v1alpha1.ReasonInvalidSpec, field, "has %d by %d pixels; use at most %d by %d", size.Width, size.Height, logoPixelsMost, logoPixelsMost)
		return nil
	}
	return content
}
