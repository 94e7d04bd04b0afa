package cli

import (
	"strings"

	"rsc.io/qr"
)

// quiet is the light margin around a QR code, in modules. The standard asks for four; two
// are read as well, and leave the code on a screen of 24 lines.
const quiet = 2

// The darkest and the lightest colour that no terminal theme changes, so that the code is
// dark on light on any background.
const (
	darkOnLight = "\x1b[38;5;16;48;5;231m"
	plain       = "\x1b[0m"
)

// drawQR draws text as a QR code, two modules above each other in one character. It returns
// "" for a text that is too long for the columns.
func drawQR(text string, columns int) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil || indent+code.Size+2*quiet > columns {
		return ""
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(strings.Repeat(" ", indent) + darkOnLight)
		for x := -quiet; x < code.Size+quiet; x++ {
			b.WriteString(halves[code.Black(x, y)][code.Black(x, y+1)]) // outside of the code is light
		}
		b.WriteString(plain + "\n")
	}
	return b.String()
}

const indent = 2

// halves are a character by whether its upper and its lower half are dark.
var halves = map[bool]map[bool]string{
	false: {false: " ", true: "▄"},
	true:  {false: "▀", true: "█"},
}
