package upstream

import (
	"bytes"
	"io"
	"net"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// bytesOnly is a connection on which there is nothing but these bytes.
type bytesOnly struct {
	net.Conn
	io.Reader
}

func (b bytesOnly) Read(p []byte) (int, error) { return b.Reader.Read(p) }

// Whatever a directory sends, what is let through is whole messages, of which nothing is lost
// or changed, and decoding them ends.
func FuzzWhatADirectorySends(f *testing.F) {
	for _, seed := range []string{"", "0\x0c\x02\x01\x01a\x07\n\x01\x00\x04\x00\x04\x00", "0\x80\x00\x00", "0\x84\x7f\xff\xff\xff", "0\x05\x02\x01\x01a\x7f", "HTTP/1.1 200 OK"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		w := newWire(bytesOnly{nil, bytes.NewReader(sent)})
		let, err := io.ReadAll(w)
		if !bytes.HasPrefix(sent, let) {
			t.Fatalf("%x came as %x", sent, let)
		}
		if err == nil && len(let) != len(sent) {
			t.Fatalf("%d of %d bytes, and no error", len(let), len(sent))
		}
		for r := bytes.NewReader(let); r.Len() > 0; {
			p, err := ber.ReadPacket(r)
			if err != nil {
				break // well-formed, and still no value of its type
			}
			_ = ldap.GetLDAPError(p)
		}
	})
}

func FuzzANameIsNothingButAValue(f *testing.F) {
	for _, seed := range []string{"ann", "*)(uid=*", `o,dd (name)\`, "#x", " x ", "{dn}", "a\x00b", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !nameable(name) {
			return
		}
		p, err := ldap.CompileFilter(filled("(uid={username})", name, "{username}"))
		if err != nil || p.Tag != ldap.FilterEqualityMatch || p.Children[1].Data.String() != name {
			t.Fatalf("%q is a filter of its own: %v", name, err)
		}
		dn, err := ldap.ParseDN(named("uid={username},dc=acme", name))
		if err != nil || len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != name {
			t.Fatalf("%q is a DN of its own: %v %v", name, dn, err)
		}
	})
}
