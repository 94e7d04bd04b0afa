package tokens

import (
	"encoding/binary"
	"math"
)

// The encoding takes 8 bytes to 11 digits of base 62, and a rest of 1 to 7 bytes to as
// many digits as it needs. Each chunk has one text only, so that no altered text is read
// as the same bytes.

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const (
	chunkBytes  = 8
	chunkDigits = 11
)

// restDigits is how many digits a rest of so many bytes needs.
var restDigits = [chunkBytes]int{0, 2, 3, 5, 6, 7, 9, 10}

var digitValues = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	for i := range len(digits) {
		values[digits[i]] = byte(i)
	}
	return values
}()

func encodedLen(n int) int { return n/chunkBytes*chunkDigits + restDigits[n%chunkBytes] }

func appendBase62(to, raw []byte) []byte {
	for len(raw) >= chunkBytes {
		to = appendDigits(to, binary.BigEndian.Uint64(raw), chunkDigits)
		raw = raw[chunkBytes:]
	}
	var v uint64
	for _, b := range raw {
		v = v<<8 | uint64(b)
	}
	return appendDigits(to, v, restDigits[len(raw)])
}

func appendDigits(to []byte, v uint64, n int) []byte {
	var chunk [chunkDigits]byte
	for i := n - 1; i >= 0; i-- {
		chunk[i] = digits[v%62]
		v /= 62
	}
	return append(to, chunk[:n]...)
}

func decodeBase62(text string) (raw []byte, ok bool) {
	rest := -1
	for n, d := range restDigits {
		if d == len(text)%chunkDigits {
			rest = n
		}
	}
	if rest < 0 {
		return nil, false
	}
	raw = make([]byte, 0, len(text)/chunkDigits*chunkBytes+rest)
	for len(text) >= chunkDigits {
		v, ok := parseDigits(text[:chunkDigits])
		if !ok {
			return nil, false
		}
		raw = binary.BigEndian.AppendUint64(raw, v)
		text = text[chunkDigits:]
	}
	v, ok := parseDigits(text)
	if !ok || v>>(8*rest) != 0 {
		return nil, false
	}
	for i := rest - 1; i >= 0; i-- {
		raw = append(raw, byte(v>>(8*i)))
	}
	return raw, true
}

// parseDigits reads a number; not ok beyond 64 bits.
func parseDigits(text string) (v uint64, ok bool) {
	for i := range len(text) {
		d := uint64(digitValues[text[i]])
		if d >= 62 || v > math.MaxUint64/62 || v*62 > math.MaxUint64-d {
			return 0, false
		}
		v = v*62 + d
	}
	return v, true
}
