package mail

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Server is the mail server that letters are handed to. Its files are read for each letter:
// a Secret that is rotated needs no restart.
type Server struct {
	// URL is smtp://host:587, where STARTTLS is mandatory, or smtps://host:465.
	URL  string
	From string // "Gatehouse <no-reply@example.com>", or the address alone
	// Username, with PasswordFile, is what we prove ourselves by; empty: by nothing.
	Username     string
	PasswordFile string
	CAFile       string // PEM, of who signed the server's certificate; empty: the system's
	// Name is what we call ourselves by to the server; empty: what the machine is called.
	Name string
	// PlainLoopback lets a server on this machine go without TLS, for --dev.
	PlainLoopback bool
}

// check reads what the server was made of, and says which flag is wrong.
func (s Server) check() error {
	if _, _, _, err := s.address(); err != nil {
		return err
	}
	if _, err := mail.ParseAddress(s.From); err != nil || strings.ContainsAny(s.From, "\r\n") {
		return fmt.Errorf("--smtp-from: %q is no address; write it like no-reply@example.com or \"Gatehouse <no-reply@example.com>\"", s.From)
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		return errors.New("--smtp-username and --smtp-password-file: give both, or neither where the server asks for none")
	}
	if _, err := s.options(); err != nil {
		return err
	}
	return nil
}

// address reads the URL.
func (s Server) address() (host string, port int, implicit bool, err error) {
	bad := func(what string) (string, int, bool, error) {
		return "", 0, false, fmt.Errorf("--smtp-url: %s; write it like smtp://mail.example.com:587 or smtps://mail.example.com:465", what)
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return bad("it is no URL") // what it says may hold a password
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return bad(fmt.Sprintf("the scheme %q is neither smtp nor smtps", u.Scheme))
	case u.User != nil:
		return bad("it must not have a name and password; use --smtp-username and --smtp-password-file")
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return bad("it must be a host, and a port, and nothing more")
	}
	implicit = u.Scheme == "smtps"
	port = 587
	if implicit {
		port = 465
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return bad("the port is none")
		}
	}
	return u.Hostname(), port, implicit, nil
}

func (s Server) options() ([]gomail.Option, error) {
	host, port, implicit, err := s.address()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		raw, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--smtp-ca-file: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("--smtp-ca-file: %s has no certificate; it must be PEM", s.CAFile)
		}
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(handover), gomail.WithTLSConfig(config), gomail.WithTLSPolicy(gomail.TLSMandatory)}
	switch {
	case implicit:
		options = append(options, gomail.WithSSL())
	case s.PlainLoopback && loopback(host):
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.Name != "" {
		options = append(options, gomail.WithHELO(s.Name))
	}
	if s.Username != "" {
		password, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("--smtp-password-file: %w", err)
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.Username),
			gomail.WithPassword(strings.TrimRight(string(password), "\r\n")))
	}
	return options, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// deliver hands a letter to the server.
func (s Server) deliver(ctx context.Context, l Letter, now time.Time) error {
	m, err := s.message(l, now)
	if err != nil {
		return errFinal{err}
	}
	options, err := s.options()
	if err != nil {
		return err
	}
	host, _, _, err := s.address()
	if err != nil {
		return err
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, m)
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return errFinal{err}
	}
	return err
}

func (s Server) message(l Letter, now time.Time) (*gomail.Msg, error) {
	plain, rich, err := l.write()
	if err != nil {
		return nil, err
	}
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.FromFormat(from.Name, from.Address); err != nil {
		return nil, err
	}
	if err := m.To(l.To); err != nil {
		return nil, err
	}
	m.Subject(l.Subject)
	m.SetDateWithValue(now)
	_, domain, _ := strings.Cut(from.Address, "@")
	m.SetMessageIDWithValue(rand.Text() + "@" + domain) // not the name of this machine
	m.SetGenHeader("Auto-Submitted", "auto-generated")  // RFC 3834: nobody's absence answers it
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(gomail.TypeTextPlain, plain)
	m.AddAlternativeString(gomail.TypeTextHTML, rich)
	return m, nil
}

// describe says why a letter was not taken without the address that it goes to, which
// servers quote.
func describe(err error) string {
	var refused *gomail.SendError
	var dial *net.OpError
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("%s, code %s", refused.Reason, cmp.Or(refused.EnhancedStatusCode(), strconv.Itoa(refused.ErrorCode())))
	case errors.As(err, &dial):
		return dial.Error()
	case errors.As(err, new(*tls.CertificateVerificationError)), errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)):
		return "the certificate of the mail server is not trusted; see --smtp-ca-file"
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}
