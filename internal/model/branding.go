package model

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
)

// Branding is what people see of an organization. Its paths name their content, so that
// browsers may keep it; NewBranding makes them.
type Branding struct {
	PrimaryColor string // "#rrggbb"; empty: that of every page
	SupportURL   string // https; empty: none
	Logo         []byte // PNG; nil: none

	LogoPath  string // empty: there is none
	StylePath string // empty: there is none
	Style     []byte // of the pages, on top of their own
}

// BrandingPath is where brandings are served.
const BrandingPath = "/branding/"

// NewBranding makes a branding of a colour, a URL and a PNG, each of which may be empty.
// They must be well-formed.
func NewBranding(color, support string, logo []byte) Branding {
	b := Branding{PrimaryColor: color, SupportURL: support, Logo: logo}
	if len(logo) > 0 {
		b.LogoPath = BrandingPath + named(logo) + ".png"
	}
	if color != "" {
		b.Style = []byte(":root { --brand: " + color + "; --on-brand: " + textOn(color) + "; --brand-edge: var(--field); }\n")
		b.StylePath = BrandingPath + named(b.Style) + ".css"
	}
	return b
}

// indexBranding notes what is served of a branding.
func (s *Snapshot) indexBranding(o *Organization) {
	if s.brandings == nil && (o.Branding.LogoPath != "" || o.Branding.StylePath != "") {
		s.brandings = map[string][]byte{}
	}
	if b := &o.Branding; b.LogoPath != "" {
		s.brandings[b.LogoPath] = b.Logo
	}
	if b := &o.Branding; b.StylePath != "" {
		s.brandings[b.StylePath] = b.Style
	}
}

// Branding returns what is served at a path; nil: nothing.
func (s *Snapshot) Branding(path string) []byte { return s.brandings[path] }

func named(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:12])
}

// textOn is black or white, whichever contrasts more with a colour: never less than 4.58:1,
// so that text of any size can be read (WCAG 2.2, 1.4.3).
func textOn(color string) string {
	l := luminance(color)
	if (1+0.05)/(l+0.05) >= (l+0.05)/0.05 {
		return "#ffffff"
	}
	return "#000000"
}

// luminance is that of WCAG 2.2, "relative luminance".
func luminance(color string) float64 {
	rgb, err := strconv.ParseUint(color[1:], 16, 32)
	if err != nil {
		return 0
	}
	linear := func(shift uint) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
