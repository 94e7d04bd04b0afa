// Package mailbox is a mail server for tests: a real one, on loopback, over TLS with a
// certificate of its own, that keeps what it is handed. It can be told to refuse.
//
// Start reading at New.
package mailbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

// Letter is what arrived.
type Letter struct {
	From, To   string // of the envelope
	Header     mail.Header
	Text, HTML string
	Raw        string
	TLS        bool
	User       string // who handed it over; empty: nobody said
}

var link = regexp.MustCompile(`https?://\S+\?\S+`)

// Link is the one link of the letter; empty: it has none.
func (l Letter) Link() string { return link.FindString(l.Text) }

// Mailbox is a mail server, and what it was handed.
type Mailbox struct {
	Address      string // host:port, for STARTTLS
	TLSAddress   string // host:port, TLS from the start
	PlainAddress string // host:port, no TLS at all
	CAFile       string
	Username     string
	PasswordFile string

	letters chan Letter
	mu      sync.Mutex
	refuse  []error // of the next letters, in order
	demand  bool    // a name and password
	tried   int
}

const password = "correct horse for the mail server"

// New starts a server that ends with the test.
func New(t testing.TB) *Mailbox {
	t.Helper()
	leaks.Remember(password)
	dir := t.TempDir()
	m := &Mailbox{letters: make(chan Letter, 10_000), CAFile: filepath.Join(dir, "ca.pem"), Username: "gatehouse", PasswordFile: filepath.Join(dir, "password")}
	if err := os.WriteFile(m.PasswordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := m.certificate(t)
	m.Address = m.serve(t, config, false)
	m.TLSAddress = m.serve(t, config, true)
	m.PlainAddress = m.serve(t, nil, false)
	return m
}

func (m *Mailbox) certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mailbox"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
}

func (m *Mailbox) serve(t testing.TB, config *tls.Config, implicit bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{box: m, conn: c}, nil }))
	s.Domain, s.TLSConfig, s.AllowInsecureAuth = "127.0.0.1", config, false
	at := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, config)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return at
}

// Refuse has the next letters refused, one by each of the errors.
func (m *Mailbox) Refuse(with ...error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = append(m.refuse, with...)
}

// DemandPassword takes letters from nobody who has not said the password.
func (m *Mailbox) DemandPassword() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.demand = true
}

// Later and Never are refusals: for now, and for good. Both quote the address, as servers do.
var (
	Later = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, come back later"}
	Never = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "<ann@example.com>: no such user"}
)

// Next waits for a letter.
func (m *Mailbox) Next(t testing.TB) Letter {
	t.Helper()
	select {
	case l := <-m.letters:
		return l
	case <-time.After(20 * time.Second):
		t.Fatal("no letter arrives")
		return Letter{}
	}
}

// Arrived are the letters that are there and nobody has taken.
func (m *Mailbox) Arrived() (all []Letter) {
	for {
		select {
		case l := <-m.letters:
			all = append(all, l)
		default:
			return all
		}
	}
}

// session is one connection.
type session struct {
	box      *Mailbox
	conn     *smtp.Conn
	from, to string
	user     string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, said string) error {
		if user != s.box.Username || said != password {
			return errors.New("wrong name or password")
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if s.box.demand && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.tried++
	if len(s.box.refuse) > 0 {
		err := s.box.refuse[0]
		s.box.refuse = s.box.refuse[1:]
		return err
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, overTLS := s.conn.TLSConnectionState()
	if !overTLS {
		_, overTLS = s.conn.Conn().(*tls.Conn)
	}
	l := Letter{From: s.from, To: s.to, Raw: string(raw), User: s.user, TLS: overTLS}
	if err := l.read(); err != nil {
		return err
	}
	s.box.letters <- l
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// read takes the letter apart.
func (l *Letter) read() error {
	m, err := mail.ReadMessage(strings.NewReader(l.Raw))
	if err != nil {
		return err
	}
	l.Header = m.Header
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			if content, err = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(content))); err != nil {
				return err
			}
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			l.HTML = string(content)
		} else {
			l.Text = strings.ReplaceAll(string(content), "\r\n", "\n")
		}
	}
}

// Tries is how often a letter was brought.
func (m *Mailbox) Tries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tried
}
