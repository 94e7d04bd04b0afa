package model

import (
	"fmt"
	"testing"
)

// WCAG 2.2, 1.4.3: text of any size has a contrast of 4.5:1 or more, whatever the colour.
func TestTextOnAnyColourCanBeRead(t *testing.T) {
	for rgb := 0; rgb <= 0xffffff; rgb += 0x050301 {
		color := fmt.Sprintf("#%06x", rgb)
		a, b := luminance(color), luminance(textOn(color))
		if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
			t.Errorf("%s on %s has %.2f:1", textOn(color), color, ratio)
		}
	}
}

// The published example of the formula: #767676 on white has 4.54:1.
func TestLuminanceIsThatOfWCAG(t *testing.T) {
	if ratio := 1.05 / (luminance("#767676") + 0.05); ratio < 4.53 || ratio > 4.55 {
		t.Errorf("%.3f", ratio)
	}
}

func TestABrandingIsNamedByItsContent(t *testing.T) {
	one, two := NewBranding("#5b3df5", "", []byte("one")), NewBranding("#5b3df5", "", []byte("two"))
	if one.LogoPath == two.LogoPath || one.StylePath != two.StylePath {
		t.Errorf("%+v and %+v", one, two)
	}
	if none := NewBranding("", "", nil); none.LogoPath+none.StylePath != "" || none.Style != nil {
		t.Errorf("nothing is %+v", none)
	}
}
