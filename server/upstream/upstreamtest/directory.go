package upstreamtest

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Who there is in a Directory, and who searches it.
const (
	AnnDN           = "uid=ann,ou=people,dc=acme,dc=com"
	AnnPassword     = "ann likes long walks 1" // #nosec G101 -- of a test
	ServiceDN       = "cn=gatehouse,dc=acme,dc=com"
	ServicePassword = "the-service-account-of-a-directory" // #nosec G101 -- of a test
)

// Directory is a server of LDAP in this process that does what it is told, right or wrong,
// byte by byte. Left alone it knows ann, who is in one group.
type Directory struct {
	*Authority
	Address string // HOST:PORT

	listener net.Listener
	tls      *tls.Config
	mu       sync.Mutex
	answer   func(Said) []byte
	ends     bool // after an answer
	greet    func(net.Conn) bool
	asked    []Said
	clear    bytes.Buffer // what came before TLS
	running  sync.WaitGroup
	conns    []net.Conn
}

// Said is one message of a client.
type Said struct {
	ID           int64
	Op           ber.Tag // of the request
	DN, Password string  // of a bind
	Base, Filter string  // of a search
	OID          string  // of an extended request
	Paged        bool
}

// NewDirectory starts a Directory on loopback, which begins with TLS.
func NewDirectory(t testing.TB) *Directory {
	t.Helper()
	d := &Directory{Authority: NewAuthority(t)}
	cert, key := d.Certificate(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	d.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if d.listener, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	d.Address = d.listener.Addr().String()
	d.running.Go(d.accept)
	t.Cleanup(func() {
		_ = d.listener.Close()
		d.mu.Lock()
		for _, c := range d.conns {
			_ = c.Close()
		}
		d.mu.Unlock()
		d.running.Wait()
	})
	return d
}

// Provider is the directory as it is declared.
func (d *Directory) Provider() *model.Provider {
	return &model.Provider{UID: "directory", Type: "LDAP", LDAP: &model.LDAPSettings{
		URL: "ldaps://" + d.Address, BindDN: ServiceDN, BindPassword: model.NewSensitive(ServicePassword), CABundle: d.Bundle,
		UserSearch:  model.LDAPSearch{BaseDN: "ou=people,dc=acme,dc=com", Filter: "(uid={username})", Attribute: "entryUUID"},
		GroupSearch: &model.LDAPSearch{BaseDN: "ou=groups,dc=acme,dc=com", Filter: "(member={dn})", Attribute: "cn"},
	}}
}

// Answers has the directory answer so; nil: as it should. An answer of nil ends the
// connection.
func (d *Directory) Answers(answer func(Said) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer, d.ends = answer, false
}

// Sends has the directory send this, whatever it is asked, and end the connection.
func (d *Directory) Sends(what []byte) {
	d.Answers(func(Said) []byte { return what })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ends = true
}

// Greets has something done with a connection before TLS; false: there is no more of it.
func (d *Directory) Greets(greet func(net.Conn) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.greet = greet
}

// Asked is everything that was asked, and what of it came in the clear.
func (d *Directory) Asked() (all []Said, inTheClear string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked), d.clear.String()
}

// Heard keeps what somebody read before TLS.
func (d *Directory) Heard(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear.Write(p)
}

func (d *Directory) accept() {
	for {
		raw, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns = append(d.conns, raw)
		greet := d.greet
		d.mu.Unlock()
		d.running.Go(func() {
			defer func() { _ = raw.Close() }()
			if greet == nil || greet(raw) {
				d.talk(tls.Server(raw, d.tls))
			}
		})
	}
}

func (d *Directory) talk(conn net.Conn) {
	for {
		p, err := ber.ReadPacket(conn)
		if err != nil || len(p.Children) < 2 {
			return
		}
		said := understood(p)
		if said.Op == ldap.ApplicationUnbindRequest {
			return
		}
		d.mu.Lock()
		d.asked = append(d.asked, said)
		answer, ends := d.answer, d.ends
		d.mu.Unlock()
		var reply []byte
		if answer == nil {
			reply = Right(said)
		} else {
			reply = answer(said)
		}
		if reply == nil {
			return
		}
		if _, err := conn.Write(reply); err != nil || ends {
			_ = conn.Close() // in order: TLS says so
			return
		}
	}
}

func understood(p *ber.Packet) Said {
	op := p.Children[1]
	s := Said{Op: op.Tag}
	s.ID, _ = p.Children[0].Value.(int64)
	switch {
	case op.Tag == ldap.ApplicationBindRequest && len(op.Children) == 3:
		s.DN, s.Password = op.Children[1].Data.String(), op.Children[2].Data.String()
	case op.Tag == ldap.ApplicationSearchRequest && len(op.Children) > 6:
		s.Base = op.Children[0].Data.String()
		s.Filter, _ = ldap.DecompileFilter(op.Children[6])
		s.Paged = len(p.Children) > 2
	case op.Tag == ldap.ApplicationExtendedRequest && len(op.Children) > 0:
		s.OID = op.Children[0].Data.String()
	}
	return s
}

// Right is what a directory answers that knows ann.
func Right(s Said) []byte {
	switch s.Op { //nolint:exhaustive // it knows no others
	case ldap.ApplicationBindRequest:
		if s.DN == AnnDN && s.Password == AnnPassword || s.DN == ServiceDN && s.Password == ServicePassword {
			return Result(s.ID, ldap.ApplicationBindResponse, 0)
		}
		return Result(s.ID, ldap.ApplicationBindResponse, ldap.LDAPResultInvalidCredentials)
	case ldap.ApplicationSearchRequest:
		var found []byte
		switch {
		case s.Filter == "(uid=ann)", strings.Contains(s.Filter, "entryUUID=uuid-of-ann"), s.Filter == "(objectClass=*)":
			found = Ann(s.ID)
		case s.Filter == "(member="+AnnDN+")":
			found = Entry(s.ID, "cn=admins,ou=groups,dc=acme,dc=com", map[string][]string{"cn": {"admins"}})
		}
		return append(found, Result(s.ID, ldap.ApplicationSearchResultDone, 0)...)
	case ldap.ApplicationExtendedRequest:
		return Result(s.ID, ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError)
	}
	return nil
}

// Ann is the entry of ann, with other attributes or other values of them; empty values:
// without it.
func Ann(id int64, change ...map[string][]string) []byte {
	has := map[string][]string{"uid": {"ann"}, "entryUUID": {"uuid-of-ann"}, "mail": {"ann@acme.com"}, "userPassword": {"{SSHA}" + Inner}}
	for _, c := range change {
		for name, values := range c {
			has[name] = values
		}
	}
	return Entry(id, AnnDN, has)
}

func message(id int64, op *ber.Packet) *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	p.AppendChild(op)
	return p
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// Result is a result with a code, and words that nobody may be shown.
func Result(id int64, op ber.Tag, code int, more ...*ber.Packet) []byte {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, op, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(Inner))
	for _, m := range more {
		p.AppendChild(m)
	}
	return message(id, p).Bytes()
}

// Says is the result that ends the answer to a message, with a code.
func Says(s Said, code int) []byte {
	if s.Op == ldap.ApplicationSearchRequest {
		return Result(s.ID, ldap.ApplicationSearchResultDone, code)
	}
	return Result(s.ID, s.Op+1, code)
}

// WhoYouAre is the answer to "Who am I?".
func WhoYouAre(id int64, authzID string) []byte {
	return Result(id, ldap.ApplicationExtendedResponse, 0, ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, authzID, ""))
}

// Entry is one entry of a search.
func Entry(id int64, dn string, attributes map[string][]string) []byte {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(dn))
	list := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	for name, values := range attributes {
		if len(values) == 0 {
			continue
		}
		a := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		a.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		a.AppendChild(set)
		list.AppendChild(a)
	}
	p.AppendChild(list)
	return message(id, p).Bytes()
}

// Elsewhere is a reference to another server in the place of an entry.
func Elsewhere(id int64, url string) []byte {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	p.AppendChild(octets(url))
	return message(id, p).Bytes()
}

// Paged is the end of a page that is not the last one.
func Paged(id int64, cookie string) []byte {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultDone, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, 0, ""))
	p.AppendChild(octets(""))
	p.AppendChild(octets(""))
	m := message(id, p)
	control := ldap.NewControlPaging(10)
	control.SetCookie([]byte(cookie))
	list := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	list.AppendChild(control.Encode())
	m.AppendChild(list)
	return m.Bytes()
}

// Begins answers the wish for TLS, with whatever comes after the answer in the clear.
func (d *Directory) Begins(code int, more string) {
	d.Greets(func(conn net.Conn) bool {
		room := make([]byte, 31)
		n, _ := io.ReadFull(conn, room)
		d.Heard(room[:n])
		_, _ = conn.Write(append(Result(1, ldap.ApplicationExtendedResponse, code), more...))
		if code == 0 && more == "" {
			return true
		}
		rest, _ := io.ReadAll(conn)
		d.Heard(rest)
		return false
	})
}
