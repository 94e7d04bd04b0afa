// Package slapd starts OpenLDAP's server, as Debian has it, with a directory of its own on
// loopback, for tests. Start reading at Start; who is in the directory is in entries.ldif.
package slapd

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

// What is in Entries proves itself by these; the others have Bob's.
const (
	AnnsPassword    = "ann likes long walks 1" // #nosec G101 -- of a test
	BobsPassword    = "bob likes long walks 2"
	ServicePassword = "the service account of a test"
)

const (
	rootPassword = "the administrator of a test"
	// patience is far more than slapd needs to start.
	patience = 30 * time.Second
)

// Directory is one that runs until the test is over.
type Directory struct {
	t         testing.TB
	dir       string
	authority *upstreamtest.Authority
	Plain     string // HOST:PORT, for StartTLS
	Encrypted string // HOST:PORT, for LDAPS
	process   *exec.Cmd
}

// settings let people read what is theirs, and the service account everybody's. An
// unauthenticated bind is allowed, as it is in many directories: to such a server the right
// name without a password is a success.
//
//go:embed slapd.conf
var settings string

// Entries are what is in a directory: ann is in two groups; twin is there twice; away is a
// reference to another server; closed is locked by an administrator.
//
//go:embed entries.ldif
var Entries string

// Start starts a directory on loopback, and ends it with the test.
func Start(t testing.TB, entries string) *Directory {
	t.Helper()
	s := &Directory{t: t, dir: t.TempDir(), authority: upstreamtest.NewAuthority(t)}
	cert, key := s.authority.Certificate(t)
	for name, text := range map[string][]byte{
		"slapd.conf": []byte(strings.ReplaceAll(settings, "DIR", s.dir)), "cert.pem": cert, "key.pem": key, "entries.ldif": []byte(entries),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.run("slapadd", "-q", "-l", filepath.Join(s.dir, "entries.ldif"))
	s.start()
	t.Cleanup(s.Stop)
	return s
}

// run runs a program of slapd's on the directory.
func (s *Directory) run(program string, args ...string) {
	s.t.Helper()
	c := exec.Command("/usr/sbin/"+program, append([]string{"-f", filepath.Join(s.dir, "slapd.conf")}, args...)...) // #nosec G204 -- of a test
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v %s; `make programs` installs it", program, err, out)
	}
}

// start starts slapd on free ports and waits until it answers.
func (s *Directory) start() {
	s.t.Helper()
	s.Plain, s.Encrypted = free(s.t), free(s.t)
	var output bytes.Buffer
	s.process = exec.Command("/usr/sbin/slapd", "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"), // #nosec G204 -- of a test
		"-h", fmt.Sprintf("ldap://%s ldaps://%s", s.Plain, s.Encrypted))
	s.process.Stdout, s.process.Stderr = &output, &output
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("%v; `make programs` installs it", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var err error
		for _, address := range []string{s.Plain, s.Encrypted} {
			conn, dialErr := net.Dial("tcp", address)
			if err = errors.Join(err, dialErr); dialErr == nil {
				_ = conn.Close()
			}
		}
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("slapd never answered: %v %s", err, output.String())
		}
	}
}

// free is an address that nobody listens at.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Stop ends it now.
func (s *Directory) Stop() {
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGTERM)
		_ = s.process.Wait()
		s.process = nil
	}
}

// Settings are those of a service account that searches.
func (s *Directory) Settings() *model.LDAPSettings {
	return &model.LDAPSettings{
		URL: "ldaps://" + s.Encrypted, BindDN: "cn=gatehouse,dc=acme,dc=com", BindPassword: model.NewSensitive(ServicePassword), CABundle: s.authority.Bundle,
		UserSearch:  model.LDAPSearch{BaseDN: "dc=acme,dc=com", Filter: "(uid={username})", Attribute: "entryUUID"},
		GroupSearch: &model.LDAPSearch{BaseDN: "ou=groups,dc=acme,dc=com", Filter: "(&(objectClass=groupOfNames)(member={dn}))", Attribute: "cn"},
	}
}

// Connected is a connection of somebody else's.
func (s *Directory) Connected() *ldap.Conn {
	s.t.Helper()
	conn, err := ldap.DialURL("ldap://" + s.Plain)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Administrator may do everything.
func (s *Directory) Administrator() *ldap.Conn {
	s.t.Helper()
	conn := s.Connected()
	if err := conn.Bind("cn=root,dc=acme,dc=com", rootPassword); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// Change sets an attribute of an entry to one value.
func (s *Directory) Change(dn, attribute, value string) {
	s.t.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	r.Replace(attribute, []string{value})
	if err := s.Administrator().Modify(r); err != nil {
		s.t.Fatal(err)
	}
}
