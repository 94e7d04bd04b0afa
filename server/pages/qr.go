package pages

import (
	"strconv"
	"strings"

	"rsc.io/qr"
)

// QR is a QR code as the path of an SVG drawing: a square of Size units with the light
// margin that readers need. It is part of its page, so that no image has to be allowed, and
// the secret in it is in no address.
type QR struct {
	Size int
	Path string
}

// quiet is that margin, in modules (ISO/IEC 18004 section 9.1).
const quiet = 4

// drawQR draws a text; the zero QR for one that is too long.
func drawQR(text string) QR {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return QR{}
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for code.Black(x, y) {
				x++
			}
			if width := strconv.Itoa(x - from); x > from {
				path.WriteString("M" + strconv.Itoa(from+quiet) + " " + strconv.Itoa(y+quiet) + "h" + width + "v1h-" + width + "z")
			}
		}
	}
	return QR{code.Size + 2*quiet, path.String()}
}
