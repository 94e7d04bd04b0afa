package upstream

import (
	"bytes"
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

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

const (
	annsPassword    = "ann likes long walks 1" // #nosec G101 -- of a test
	bobsPassword    = "bob likes long walks 2"
	servicePassword = "the service account of a test"
	rootPassword    = "the administrator of a test"
	// ldapPatience is far more than slapd needs to start.
	ldapPatience = 30 * time.Second
)

// slapd is OpenLDAP's server with a directory of its own.
type slapd struct {
	t         *testing.T
	dir       string
	authority *upstreamtest.Authority
	plain     string // HOST:PORT, for StartTLS
	encrypted string // HOST:PORT, for LDAPS
	process   *exec.Cmd
}

// ldapSettings let people read what is theirs, and the service account everybody's. An
// unauthenticated bind is allowed, as it is in many directories: to such a server the right
// name without a password is a success.
const ldapSettings = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb.la
moduleload ppolicy.la
allow bind_anon_cred bind_anon_dn
pidfile DIR/slapd.pid
argsfile DIR/slapd.args
TLSCertificateFile DIR/cert.pem
TLSCertificateKeyFile DIR/key.pem
referral ldaps://127.0.0.1:1/
database mdb
suffix "dc=acme,dc=com"
rootdn "cn=root,dc=acme,dc=com"
rootpw "` + rootPassword + `"
directory DIR/data
overlay ppolicy
access to attrs=userPassword by anonymous auth by * none
access to dn.base="dc=acme,dc=com" by * read
access to * by dn.exact="cn=gatehouse,dc=acme,dc=com" read by self read by * none
`

// ldapEntries: ann is in two groups; twin is there twice; away is a reference to another
// server; closed is locked by an administrator.
const ldapEntries = `dn: dc=acme,dc=com
objectClass: dcObject
objectClass: organization
dc: acme
o: Acme

dn: cn=gatehouse,dc=acme,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: gatehouse
userPassword: the service account of a test

dn: ou=people,dc=acme,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=others,dc=acme,dc=com
objectClass: organizationalUnit
ou: others

dn: ou=groups,dc=acme,dc=com
objectClass: organizationalUnit
ou: groups

dn: uid=ann,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: ann
cn: Ann Example
sn: Example
mail: ann@acme.com
userPassword: ann likes long walks 1

dn: uid=bob,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob
mail: bob@acme.com
userPassword: bob likes long walks 2

dn: uid=o\2Cdd (name)\5C,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: o,dd (name)\
cn: Odd
sn: Odd
userPassword: bob likes long walks 2

dn: uid=twin,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Twin
userPassword: bob likes long walks 2

dn: uid=twin,ou=others,dc=acme,dc=com
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Twin
userPassword: bob likes long walks 2

dn: uid=closed,ou=people,dc=acme,dc=com
objectClass: inetOrgPerson
uid: closed
cn: Closed
sn: Closed
userPassword: bob likes long walks 2
pwdAccountLockedTime: 000001010000Z

dn: ou=away,dc=acme,dc=com
objectClass: referral
objectClass: extensibleObject
ou: away
ref: ldaps://127.0.0.1:1/ou=away,dc=acme,dc=com

dn: cn=admins,ou=groups,dc=acme,dc=com
objectClass: groupOfNames
cn: admins
member: uid=ann,ou=people,dc=acme,dc=com
member: uid=o\2Cdd (name)\5C,ou=people,dc=acme,dc=com

dn: cn=developers,ou=groups,dc=acme,dc=com
objectClass: groupOfNames
cn: developers
member: uid=bob,ou=people,dc=acme,dc=com
member: uid=ann,ou=people,dc=acme,dc=com

dn: cn=nobody,ou=groups,dc=acme,dc=com
objectClass: groupOfNames
cn: nobody
member: cn=gatehouse,dc=acme,dc=com
`

// newSlapd starts a directory on loopback, and ends it with the test.
func newSlapd(t *testing.T, entries string) *slapd {
	t.Helper()
	s := &slapd{t: t, dir: t.TempDir(), authority: upstreamtest.NewAuthority(t)}
	cert, key := s.authority.Certificate(t)
	for name, text := range map[string][]byte{
		"slapd.conf": []byte(strings.ReplaceAll(ldapSettings, "DIR", s.dir)), "cert.pem": cert, "key.pem": key, "entries.ldif": []byte(entries),
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
	t.Cleanup(s.stop)
	return s
}

// run runs a program of slapd's on the directory.
func (s *slapd) run(program string, args ...string) {
	s.t.Helper()
	c := exec.Command("/usr/sbin/"+program, append([]string{"-f", filepath.Join(s.dir, "slapd.conf")}, args...)...) // #nosec G204 -- of a test
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v %s; `make programs` installs it", program, err, out)
	}
}

// start starts slapd on free ports and waits until it answers.
func (s *slapd) start() {
	s.t.Helper()
	s.plain, s.encrypted = freeAddress(s.t), freeAddress(s.t)
	var output bytes.Buffer
	s.process = exec.Command("/usr/sbin/slapd", "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"), // #nosec G204 -- of a test
		"-h", fmt.Sprintf("ldap://%s ldaps://%s", s.plain, s.encrypted))
	s.process.Stdout, s.process.Stderr = &output, &output
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("%v; `make programs` installs it", err)
	}
	for end := time.Now().Add(ldapPatience); ; time.Sleep(5 * time.Millisecond) {
		var err error
		for _, address := range []string{s.plain, s.encrypted} {
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

func (s *slapd) stop() {
	if s.process != nil {
		_ = s.process.Process.Signal(syscall.SIGTERM)
		_ = s.process.Wait()
		s.process = nil
	}
}

// settings are those of a service account that searches.
func (s *slapd) settings() *model.LDAPSettings {
	return &model.LDAPSettings{
		URL: "ldaps://" + s.encrypted, BindDN: "cn=gatehouse,dc=acme,dc=com", BindPassword: model.NewSensitive(servicePassword), CABundle: s.authority.Bundle,
		UserSearch:  model.LDAPSearch{BaseDN: "dc=acme,dc=com", Filter: "(uid={username})", Attribute: "entryUUID"},
		GroupSearch: &model.LDAPSearch{BaseDN: "ou=groups,dc=acme,dc=com", Filter: "(&(objectClass=groupOfNames)(member={dn}))", Attribute: "cn"},
	}
}

func ldapBackend(t *testing.T, s *model.LDAPSettings) upstream.Backend {
	t.Helper()
	b, err := upstream.New(&model.Provider{UID: "directory", Type: "LDAP", LDAP: s}, upstreamtest.Env(upstreamtest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ldapSignIn(t *testing.T, b upstream.Backend, name, password string) (upstream.Proof, error) {
	t.Helper()
	step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Username: name, Password: password})
	if err != nil {
		return upstream.Proof{}, err
	}
	return *step.Proof, nil
}
