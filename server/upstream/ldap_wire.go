package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// What one connection to a directory may send us, of whatever it consists. A decoded element
// takes a hundred times the two bytes that it may have on the wire.
const (
	ldapBytes    = 2 << 20
	ldapElements = 30_000
	ldapDepth    = 16
)

// errWire: what a directory sent is no LDAP, or too much of it.
var errWire = errors.New("what answers there does not speak LDAP as it should, or too much of it")

// wire lets only messages through that are whole, of definite length (RFC 4511 section 5.1)
// and within the bounds: a tenant chooses who answers, and nothing that is sent may cost the
// others their memory.
type wire struct {
	net.Conn
	left            []byte // of a message that is good
	bytes, elements int    // that may come yet
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, bytes: ldapBytes, elements: ldapElements} }

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.left) == 0 {
		var err error
		if w.left, err = w.message(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.left)
	w.left = w.left[n:]
	return n, nil
}

// message reads exactly one message, and not a byte of what follows.
func (w *wire) message() ([]byte, error) {
	head := make([]byte, 2, 6)
	if _, err := io.ReadFull(w.Conn, head); err != nil {
		return nil, err
	}
	if head[0] != 0x30 {
		return nil, errWire
	}
	if head[1] > 0x80 && head[1] <= 0x84 {
		head = head[:2+head[1]&0x7f]
		if err := w.rest(head[2:]); err != nil {
			return nil, err
		}
	}
	size, _, ok := berLength(head[1:])
	if !ok || size > w.bytes {
		return nil, errWire
	}
	w.bytes -= size
	message := append(head, make([]byte, size)...)
	content := message[len(head):]
	if err := w.rest(content); err != nil {
		return nil, err
	}
	if err := w.judge(content, 1); err != nil {
		return nil, err
	}
	return message, nil
}

// rest reads what has to come yet of a message that has begun.
func (w *wire) rest(p []byte) error {
	if _, err := io.ReadFull(w.Conn, p); err != nil && len(p) > 0 {
		return fmt.Errorf("half of a message: %w", errors.Join(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// judge counts the elements of what is well-formed.
func (w *wire) judge(content []byte, depth int) error {
	for len(content) > 0 {
		w.elements--
		tag := content[0]
		size, head, ok := berLength(content[1:])
		if !ok || size > len(content)-1-head || tag&0x1f == 0x1f || w.elements < 0 || depth > ldapDepth {
			return errWire
		}
		inner := content[1+head : 1+head+size]
		if tag&0x20 != 0 {
			if err := w.judge(inner, depth+1); err != nil {
				return err
			}
		}
		content = content[1+head+size:]
	}
	return nil
}

// berLength reads a definite length, and says how many bytes it took.
func berLength(from []byte) (size, took int, ok bool) {
	if len(from) == 0 {
		return 0, 0, false
	}
	if from[0] < 0x80 {
		return int(from[0]), 1, true
	}
	n := int(from[0] & 0x7f)
	if n == 0 || n > 4 || len(from) < 1+n {
		return 0, 0, false
	}
	for _, b := range from[1 : 1+n] {
		size = size<<8 | int(b)
	}
	return size, 1 + n, size <= ldapBytes
}
