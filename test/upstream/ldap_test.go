package upstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
	"github.com/gatehouse-dev/gatehouse/test/upstream/slapd"
)

func TestSlapdIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		s := slapd.Start(t, slapd.Entries)
		return &upstreamtest.World{
			Provider: &model.Provider{UID: "directory", Type: "LDAP", LDAP: s.Settings()}, Env: upstreamtest.Env(upstreamtest.Loopback),
			Right:   upstream.Attempt{Username: "ann", Password: slapd.AnnsPassword},
			Secrets: func() []string { return []string{slapd.AnnsPassword, slapd.ServicePassword} },
		}
	})
}

// By LDAPS and by StartTLS, and by a DN without a service account.
func TestSomebodySignsInAtSlapd(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	start := s.Settings()
	start.URL, start.StartTLS = "ldap://"+s.Plain, true
	template := s.Settings()
	template.BindDN, template.BindPassword = "", model.Sensitive{}
	template.UserSearch.BaseDN = "uid={username},ou=people,dc=acme,dc=com"
	template.GroupSearch = nil // people see no groups here
	for name, c := range map[string]struct {
		settings *model.LDAPSettings
		groups   []any
	}{
		"LDAPS":    {s.Settings(), []any{"admins", "developers"}},
		"StartTLS": {start, []any{"admins", "developers"}},
		"template": {template, []any{}},
	} {
		b := ldapBackend(t, c.settings)
		if err := b.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err != nil || b.Describe().Until.IsZero() {
			t.Errorf("%s: probe: %v, until %v", name, err, b.Describe().Until)
		}
		p, err := ldapSignIn(t, b, "ann", slapd.AnnsPassword)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		subject, _ := p.Claims["subject"].(string)
		if len(subject) != 36 || !p.AuthTime.Equal(upstreamtest.Now) || !cmp.Equal(p.AMR, []string{"pwd"}) {
			t.Errorf("%s: subject %q at %v by %v", name, subject, p.AuthTime, p.AMR)
		}
		attributes := p.Claims["attributes"].(map[string]any)
		delete(p.Claims, "subject")
		delete(p.Claims, "attributes")
		want := map[string]any{"dn": "uid=ann,ou=people,dc=acme,dc=com", "username": "ann", "groups": c.groups}
		if diff := cmp.Diff(want, p.Claims); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff([]any{"ann@acme.com"}, attributes["mail"]); diff != "" || attributes["userpassword"] != nil {
			t.Errorf("%s: mail %s, password %v", name, diff, attributes["userpassword"])
		}
		other, err := ldapSignIn(t, b, "bob", slapd.BobsPassword)
		if err != nil || other.Claims["subject"] == subject {
			t.Errorf("%s: bob is %v, %v", name, other.Claims["subject"], err)
		}
	}
}

// Whatever is typed as a name is a value, and never a part of what is asked.
func TestNothingThatIsTypedIsAFilterOrADN(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	template := s.Settings()
	template.BindDN, template.BindPassword, template.GroupSearch = "", model.Sensitive{}, nil
	template.UserSearch.BaseDN = "uid={username},ou=people,dc=acme,dc=com"
	short := *template // a name with more than a value in it would lead to people
	short.UserSearch.BaseDN, short.UserSearch.Filter = "uid={username},dc=acme,dc=com", ""
	for kind, settings := range map[string]*model.LDAPSettings{"search": s.Settings(), "template": template, "short template": &short} {
		b := ldapBackend(t, settings)
		var all errgroup.Group
		all.SetLimit(20)
		for _, name := range []string{
			"*", "a*", "*)(uid=*", "ann)(|(uid=*", "admin)(|(uid=*", "ann)(uid=ann", "*))(|(uid=*", "ann\\", "\\61nn", "\\2a", "ann\x00", "\x00ann", "ann)\x00(",
			"ann,ou=people", "ann,ou=people,dc=acme,dc=com", "ann+cn=Ann Example", "uid=ann", "ann\nuid=ann", "ann,", "#616e6e", "{dn}", "{username}", " ann", "ann ", "",
			"\uff41\uff4e\uff4e", "a\u200bnn", "\u0430nn", "ann\u00ad", "a\u0301nn", "\u202eann", "\xff\xfe", "ann\u00a0", strings.Repeat("a", 300), "(uid=ann)", "!(uid=x)", "&", "|",
		} {
			for _, password := range []string{slapd.AnnsPassword, slapd.BobsPassword} {
				all.Go(func() error {
					if p, err := ldapSignIn(t, b, name, password); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
						t.Errorf("%s: %q signs in as %v: %v", kind, name, p.Claims["dn"], err)
					}
					return nil
				})
			}
		}
		_ = all.Wait() // each has said what it found
		if kind == "short template" {
			continue
		}
		// A name that has all of these signs in it is somebody's.
		odd, err := ldapSignIn(t, b, `o,dd (name)\`, slapd.BobsPassword)
		if err != nil || odd.Claims["username"] != `o,dd (name)\` {
			t.Errorf("%s: %v, %v", kind, odd.Claims, err)
		} else if kind == "search" && !cmp.Equal(odd.Claims["groups"], []any{"admins"}) {
			t.Errorf("the groups of a DN with such signs are %v", odd.Claims["groups"])
		}
	}
}

// The server says yes to a name without a password, which is nobody's proof (RFC 4513
// section 5.1.2); here it is known to do so.
func TestABindWithoutAPasswordProvesNothing(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	conn := s.Connected()
	if err := conn.UnauthenticatedBind("uid=ann,ou=people,dc=acme,dc=com"); err != nil {
		t.Fatalf("the server is stricter than this test needs: %v", err)
	}
	b := ldapBackend(t, s.Settings())
	for _, password := range []string{"", "\x00", "\x00" + slapd.AnnsPassword, slapd.AnnsPassword + "\x00", " ", slapd.AnnsPassword + " ", strings.Repeat("x", 2000)} {
		if p, err := ldapSignIn(t, b, "ann", password); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
			t.Errorf("with %q: %v", password, err)
		}
	}
	for name, change := range map[string]func(*model.LDAPSettings){
		"a service account without a password": func(l *model.LDAPSettings) { l.BindPassword = model.Sensitive{} },
		"nobody who searches":                  func(l *model.LDAPSettings) { l.BindDN = "" },
	} {
		l := s.Settings()
		change(l)
		if _, err := upstream.New(&model.Provider{UID: "x", LDAP: l}, upstreamtest.Env(upstreamtest.Loopback)); err == nil {
			t.Errorf("%s is served", name)
		}
	}
}

// The same words whether the name is nobody's or the password is wrong, or two are meant.
func TestWhoIsRefusedLearnsNotWhy(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	b := ldapBackend(t, s.Settings())
	for name, password := range map[string]string{"ann": slapd.BobsPassword, "nobody": slapd.AnnsPassword, "twin": slapd.BobsPassword, "closed": slapd.BobsPassword, "gatehouse": slapd.ServicePassword} {
		if p, err := ldapSignIn(t, b, name, password); !errors.Is(err, upstream.ErrRefused) || errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADirectoryThatCannotBeTrustedOrReachedIsUnavailable(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	_, port, _ := strings.Cut(s.Encrypted, ":")
	for name, change := range map[string]func(*model.LDAPSettings){
		"another authority": func(l *model.LDAPSettings) { l.CABundle = upstreamtest.NewAuthority(t).Bundle },
		"another authority and StartTLS": func(l *model.LDAPSettings) {
			l.URL, l.StartTLS, l.CABundle = "ldap://"+s.Plain, true, upstreamtest.NewAuthority(t).Bundle
		},
		"the system's authorities":    func(l *model.LDAPSettings) { l.CABundle = "" },
		"another name":                func(l *model.LDAPSettings) { l.URL = "ldaps://localhost:" + port },
		"no TLS where it is expected": func(l *model.LDAPSettings) { l.URL = "ldaps://" + s.Plain },
		"a wrong service password":    func(l *model.LDAPSettings) { l.BindPassword = model.NewSensitive("not this one") },
		"a service account of nobody": func(l *model.LDAPSettings) { l.BindDN = "cn=nobody,dc=acme,dc=com" },
		"a base that is elsewhere":    func(l *model.LDAPSettings) { l.UserSearch.BaseDN = "ou=away,dc=acme,dc=com" },
		"a base that is of others":    func(l *model.LDAPSettings) { l.UserSearch.BaseDN = "dc=globex,dc=com" },
	} {
		l := s.Settings()
		change(l)
		b := ldapBackend(t, l)
		if p, err := ldapSignIn(t, b, "ann", slapd.AnnsPassword); !errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
		if err := b.(upstream.Prober).Probe(t.Context(), upstreamtest.Now); err == nil {
			t.Errorf("%s: the probe finds nothing wrong", name)
		}
	}
	b := ldapBackend(t, s.Settings())
	s.Stop()
	for range 2 {
		if _, err := ldapSignIn(t, b, "ann", slapd.AnnsPassword); !errors.Is(err, upstream.ErrUnavailable) {
			t.Errorf("stopped: %v", err)
		}
	}
	if _, err := b.(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, "x", []byte(`{"username":"ann"}`)); !errors.Is(err, upstream.ErrUnavailable) {
		t.Errorf("stopped, asked again: %v", err)
	}
}

// Who is gone is told from a directory that is.
func TestADirectoryIsAskedAgain(t *testing.T) {
	s := slapd.Start(t, slapd.Entries)
	b := ldapBackend(t, s.Settings())
	p, err := ldapSignIn(t, b, "ann", slapd.AnnsPassword)
	if err != nil {
		t.Fatal(err)
	}
	subject := p.Claims["subject"].(string)
	again := func() (upstream.Proof, error) {
		return b.(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, subject, p.Renewal)
	}
	now, err := again()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Claims, now.Claims); diff != "" {
		t.Error(diff)
	}
	if !now.AuthTime.IsZero() || now.AMR != nil {
		t.Errorf("nobody proved anything: at %v by %v", now.AuthTime, now.AMR)
	}
	s.Change("uid=ann,ou=people,dc=acme,dc=com", "pwdAccountLockedTime", "20261121120000Z")
	if _, err := again(); err != nil {
		t.Errorf("somebody guessed wrong too often: %v", err)
	}
	s.Change("uid=ann,ou=people,dc=acme,dc=com", "pwdAccountLockedTime", "000001010000Z")
	if _, err := again(); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("locked: %v", err)
	}
	if _, err := b.(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, "*", p.Renewal); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("a pattern is somebody: %v", err)
	}
	if err := s.Administrator().Del(ldap.NewDelRequest("uid=ann,ou=people,dc=acme,dc=com", nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := again(); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("deleted: %v", err)
	}
}

// More groups than one page has are all told; more than anybody reads are none.
func TestGroupsHaveABound(t *testing.T) {
	for n, want := range map[int]bool{300: true, 501: false} {
		entries := slapd.Entries
		for i := range n - 2 {
			entries += fmt.Sprintf("\ndn: cn=g%d,ou=groups,dc=acme,dc=com\nobjectClass: groupOfNames\ncn: g%d\nmember: uid=ann,ou=people,dc=acme,dc=com\n", i, i)
		}
		s := slapd.Start(t, entries)
		p, err := ldapSignIn(t, ldapBackend(t, s.Settings()), "ann", slapd.AnnsPassword)
		if groups, _ := p.Claims["groups"].([]any); want && (err != nil || len(groups) != n) || !want && !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%d groups: %d told, %v", n, len(groups), err)
		}
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
