package pages

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rsc.io/qr"
)

var run = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)

// The path fills exactly the dark modules, within the margin.
func TestTheDrawingIsTheCode(t *testing.T) {
	text := "otpauth://totp/id.example:ann@example.com?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=id.example"
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	drawn := drawQR(text)
	dark := map[[2]int]bool{}
	for _, m := range run.FindAllString(drawn.Path, -1) {
		var x, y, width, back int
		if _, err := fmt.Sscanf(m, "M%d %dh%dv1h-%dz", &x, &y, &width, &back); err != nil || width != back {
			t.Fatalf("%s: %v", m, err)
		}
		for i := range width {
			dark[[2]int{x + i, y}] = true
		}
	}
	if rest := run.ReplaceAllString(drawn.Path, ""); rest != "" || drawn.Size != code.Size+8 {
		t.Fatalf("size %d of %d, and %q", drawn.Size, code.Size, rest)
	}
	for y := range drawn.Size {
		for x := range drawn.Size {
			if dark[[2]int{x, y}] != code.Black(x-4, y-4) {
				t.Fatalf("the module at %d, %d is wrong", x, y)
			}
		}
	}
	if (drawQR(strings.Repeat("x", 10_000)) != QR{}) {
		t.Error("what is too long is drawn")
	}
}
