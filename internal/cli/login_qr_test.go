package cli

import (
	"strings"
	"testing"
	"unicode/utf8"

	"rsc.io/qr"
)

// What is drawn is read back module by module: it is the code, with a light margin.
func TestTheDrawnCodeIsTheCode(t *testing.T) {
	const text = "https://auth.example.com/oauth/device/?user_code=WDJB-MJHT"
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(drawQR(text, 80), "\n"), "\n")
	if len(lines) > 20 {
		t.Errorf("%d lines leave no room on a screen of 24", len(lines))
	}
	for i, line := range lines {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "  "+darkOnLight), plain)
		if n := utf8.RuneCountInString(line); n != code.Size+2*quiet {
			t.Fatalf("line %d has %d modules", i, n)
		}
		for j, r := range []rune(line) {
			x, y := j-quiet, 2*i-quiet
			if upper, lower := r == '▀' || r == '█', r == '▄' || r == '█'; upper != code.Black(x, y) || lower != code.Black(x, y+1) {
				t.Fatalf("module %d, %d is drawn as %q", x, y, r)
			}
		}
	}
}

func TestACodeThatDoesNotFitIsNotDrawn(t *testing.T) {
	const text = "https://auth.example.com/oauth/device/?user_code=WDJB-MJHT"
	if drawQR(text, 38) != "" || drawQR(strings.Repeat(text, 100), 80) != "" {
		t.Error("it is drawn")
	}
}
