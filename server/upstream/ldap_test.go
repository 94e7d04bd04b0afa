package upstream_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/upstream"
	"github.com/gatehouse-dev/gatehouse/server/upstream/upstreamtest"
)

func TestLDAPIsABackend(t *testing.T) {
	upstreamtest.Run(t, func(t *testing.T) *upstreamtest.World {
		d := upstreamtest.NewDirectory(t)
		hold := make(chan struct{})
		t.Cleanup(func() { close(hold) })
		greets := func(g func(net.Conn) bool) func() { return func() { d.Answers(nil); d.Greets(g) } }
		answers := func(a func(upstreamtest.Said) []byte) func() { return func() { d.Greets(nil); d.Answers(a) } }
		return &upstreamtest.World{
			Provider: d.Provider(), Env: upstreamtest.Env(upstreamtest.Loopback),
			Right:   upstream.Attempt{Username: "ann", Password: upstreamtest.AnnPassword},
			Secrets: func() []string { return []string{upstreamtest.AnnPassword, upstreamtest.ServicePassword} },
			Faults: map[string]func(){
				"":                greets(nil),
				upstreamtest.Down: greets(func(net.Conn) bool { return false }),
				upstreamtest.Slow: greets(func(net.Conn) bool { <-hold; return false }),
				upstreamtest.HTML: answers(func(upstreamtest.Said) []byte { return []byte("<html>" + upstreamtest.Inner) }),
				upstreamtest.Huge: answers(func(s upstreamtest.Said) []byte { return bytes.Repeat(upstreamtest.Ann(s.ID), 1<<16) }),
				upstreamtest.Broken: answers(func(s upstreamtest.Said) []byte {
					return upstreamtest.Says(s, ldap.LDAPResultOperationsError)
				}),
				upstreamtest.Redirect: answers(func(s upstreamtest.Said) []byte { return upstreamtest.Says(s, ldap.LDAPResultReferral) }),
			},
		}
	})
}

func directory(t *testing.T, p *model.Provider) upstream.Backend {
	t.Helper()
	b, err := upstream.New(p, upstreamtest.Env(upstreamtest.Loopback))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func typed(t *testing.T, b upstream.Backend, name, password string) (upstream.Proof, error) {
	t.Helper()
	step, err := b.Authenticate(t.Context(), upstream.Attempt{Now: upstreamtest.Now, Username: name, Password: password})
	if err != nil {
		return upstream.Proof{}, err
	}
	return *step.Proof, nil
}

// An answer that is not of exactly one person with a subject proves nothing, whatever the
// directory says to the password.
func TestForgedAnswersOfADirectoryProveNothing(t *testing.T) {
	done := func(s upstreamtest.Said) []byte {
		return upstreamtest.Result(s.ID, ldap.ApplicationSearchResultDone, 0)
	}
	found := func(what func(upstreamtest.Said) []byte) func(upstreamtest.Said) []byte {
		return func(s upstreamtest.Said) []byte {
			switch {
			case s.Op == ldap.ApplicationSearchRequest && s.Filter == "(uid=ann)":
				return append(what(s), done(s)...)
			case s.Op == ldap.ApplicationBindRequest: // it says yes to everything
				return upstreamtest.Result(s.ID, ldap.ApplicationBindResponse, 0)
			}
			return upstreamtest.Right(s)
		}
	}
	ann := func(change map[string][]string) func(upstreamtest.Said) []byte {
		return found(func(s upstreamtest.Said) []byte { return upstreamtest.Ann(s.ID, change) })
	}
	for name, answer := range map[string]func(upstreamtest.Said) []byte{
		"nobody":         found(func(upstreamtest.Said) []byte { return nil }),
		"an entry twice": found(func(s upstreamtest.Said) []byte { return bytes.Repeat(upstreamtest.Ann(s.ID), 2) }),
		"a thousand":     found(func(s upstreamtest.Said) []byte { return bytes.Repeat(upstreamtest.Ann(s.ID), 1000) }),
		"the root": found(func(s upstreamtest.Said) []byte {
			return upstreamtest.Entry(s.ID, "", map[string][]string{"entryUUID": {"x"}})
		}),
		"another server":  found(func(s upstreamtest.Said) []byte { return upstreamtest.Elsewhere(s.ID, "ldaps://other.example/") }),
		"no subject":      ann(map[string][]string{"entryUUID": nil}),
		"two subjects":    ann(map[string][]string{"entryUUID": {"a", "b"}}),
		"an empty one":    ann(map[string][]string{"entryUUID": {""}}),
		"one of bytes":    ann(map[string][]string{"entryUUID": {"\xff\xfe"}}),
		"a control sign":  ann(map[string][]string{"entryUUID": {"a\x00b"}}),
		"disabled in AD":  ann(map[string][]string{"userAccountControl": {"514"}}),
		"odd flags in AD": ann(map[string][]string{"userAccountControl": {"yes"}}),
		"locked for good": ann(map[string][]string{"PwdAccountLockedTime": {"000001010000Z"}}),
		"locked in 389":   ann(map[string][]string{"nsAccountLock": {"true"}}),
		"locked, Novell":  ann(map[string][]string{"loginDisabled": {"TRUE"}}),
		"pages for ever": func(s upstreamtest.Said) []byte {
			if s.Paged {
				return upstreamtest.Paged(s.ID, "again")
			}
			return upstreamtest.Right(s)
		},
		"a yes for nobody": func(s upstreamtest.Said) []byte {
			if s.Op == ldap.ApplicationExtendedRequest {
				return upstreamtest.WhoYouAre(s.ID, "")
			}
			return upstreamtest.Right(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := upstreamtest.NewDirectory(t)
			d.Answers(answer)
			if p, err := typed(t, directory(t, d.Provider()), "ann", upstreamtest.AnnPassword); !errors.Is(err, upstream.ErrRefused) || p.Claims != nil {
				t.Errorf("%v, %v", p.Claims, err)
			} else if strings.Contains(err.Error(), upstreamtest.Inner) {
				t.Errorf("it shows the server's words: %v", err)
			}
		})
	}
}

// What is no LDAP, or more of it than one person is worth, costs little and proves nothing.
func TestWhatADirectorySendsHasBounds(t *testing.T) {
	small := strings.Repeat("\x04\x00", 500_000)
	nested := bytes.Repeat([]byte{0x30, 0x80}, 200_000)
	for name, bomb := range map[string][]byte{
		"a length of gigabytes": {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff},
		"a longer one":          {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"no definite length":    nested,
		"many small elements":   append([]byte{0x30, 0x83, 0x0f, 0x42, 0x40}, small...),
		"another protocol":      []byte("HTTP/1.1 200 OK\r\n\r\n"),
		"deep nesting":          nestedBER(60),
		"an inner length":       {0x30, 5, 0x02, 1, 1, 0x61, 0x7f},
		"a length of nothing":   {0x30, 0x80},
		"half of a message":     {0x30, 12, 0x02, 1, 1, 0x61},
		"an empty one":          {0x30, 0},
	} {
		d := upstreamtest.NewDirectory(t)
		d.Sends(bomb)
		b := directory(t, d.Provider())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := typed(t, b, "ann", upstreamtest.AnnPassword)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 32<<20 {
			t.Errorf("%s: %d MiB", name, cost>>20)
		}
	}
}

func nestedBER(depth int) []byte {
	inner := []byte{}
	for range depth {
		inner = append([]byte{0x30, byte(len(inner))}, inner...)
	}
	return inner
}

// Before TLS nothing is said but the wish for it, and nothing that comes before it is heard
// after it.
func TestNothingIsSaidToADirectoryInTheClear(t *testing.T) {
	start := func(d *upstreamtest.Directory) *model.Provider {
		p := d.Provider()
		p.LDAP.URL, p.LDAP.StartTLS = "ldap://"+d.Address, true
		return p
	}
	d := upstreamtest.NewDirectory(t)
	d.Begins(0, "")
	if _, err := typed(t, directory(t, start(d)), "ann", upstreamtest.AnnPassword); err != nil {
		t.Fatal(err)
	}
	if _, clear := d.Asked(); len(clear) != 31 || !strings.HasSuffix(clear, "1.3.6.1.4.1.1466.20037") {
		t.Errorf("in the clear: %q", clear)
	}
	yes := string(upstreamtest.Result(2, ldap.ApplicationBindResponse, 0))
	for name, wrong := range map[string]func(*upstreamtest.Directory){
		"it says no":            func(d *upstreamtest.Directory) { d.Begins(ldap.LDAPResultProtocolError, "") },
		"it says yes, and more": func(d *upstreamtest.Directory) { d.Begins(0, yes) },
		"it speaks before": func(d *upstreamtest.Directory) {
			d.Greets(func(c net.Conn) bool { _, _ = io.WriteString(c, yes); heard(d, c); return false })
		},
		"it refers elsewhere": func(d *upstreamtest.Directory) { d.Begins(ldap.LDAPResultReferral, "") },
		"it answers another thing": func(d *upstreamtest.Directory) {
			d.Greets(func(c net.Conn) bool {
				_, _ = c.Write(upstreamtest.Result(1, ldap.ApplicationBindResponse, 0))
				heard(d, c)
				return false
			})
		},
	} {
		d := upstreamtest.NewDirectory(t)
		wrong(d)
		p, err := typed(t, directory(t, start(d)), "ann", upstreamtest.AnnPassword)
		if !errors.Is(err, upstream.ErrUnavailable) || p.Claims != nil || strings.Contains(err.Error(), upstreamtest.Inner) {
			t.Errorf("%s: %v, %v", name, p.Claims, err)
		}
		asked, clear := d.Asked()
		if len(asked) > 0 || strings.Contains(clear, upstreamtest.AnnPassword) || strings.Contains(clear, upstreamtest.ServicePassword) || strings.Contains(clear, "gatehouse") {
			t.Errorf("%s: it was asked %v, in the clear %q", name, asked, clear)
		}
	}
}

func heard(d *upstreamtest.Directory, c net.Conn) {
	all, _ := io.ReadAll(c)
	d.Heard(all)
}

// Neither an empty password nor a name that nobody can have is even sent; of others the
// directory gets the password for one entry alone.
func TestADirectoryIsAskedForNoMoreThanItMust(t *testing.T) {
	d := upstreamtest.NewDirectory(t)
	b := directory(t, d.Provider())
	for name, password := range map[string]string{"ann": "", "": upstreamtest.AnnPassword, "a\x00nn": upstreamtest.AnnPassword, "ann ": upstreamtest.AnnPassword, strings.Repeat("a", 257): "x", "b": "\x00", "c": strings.Repeat("x", 1025)} {
		if _, err := typed(t, b, name, password); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if asked, _ := d.Asked(); len(asked) > 0 {
		t.Errorf("it was asked %v", asked)
	}
	if _, err := typed(t, b, "nobody", "typed by nobody at all"); !errors.Is(err, upstream.ErrRefused) {
		t.Error(err)
	}
	asked, _ := d.Asked()
	binds := 0
	for _, a := range asked {
		if a.Op == ldap.ApplicationBindRequest {
			binds++
		}
		if strings.Contains(a.Password, "nobody") || a.Op == ldap.ApplicationBindRequest && (a.DN == "" || a.Password == "") {
			t.Errorf("%+v", a)
		}
	}
	if binds != 2 { // the service account, and one for nobody: as many as for somebody
		t.Errorf("%d binds for a name of nobody", binds)
	}
}

// A directory is quicker about a name that it does not know than about a wrong password:
// whoever waits for the answer cannot tell.
func TestARefusalTakesItsTimeWhateverItsReason(t *testing.T) {
	d := upstreamtest.NewDirectory(t)
	b := directory(t, d.Provider())
	took := map[string]time.Duration{}
	for name, password := range map[string]string{"ann": "wrong", "nobody": "wrong", "*": "wrong", "ann\x00": ""} {
		began := time.Now()
		if _, err := typed(t, b, name, password); !errors.Is(err, upstream.ErrRefused) {
			t.Error(err)
		}
		if took[name] = time.Since(began); took[name] < 290*time.Millisecond {
			t.Errorf("%q: %v", name, took[name])
		}
	}
}

func TestActiveDirectorysIDIsReadAsItIsShownAndFound(t *testing.T) {
	d := upstreamtest.NewDirectory(t)
	raw := string([]byte{0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff})
	p := d.Provider()
	p.LDAP.UserSearch.Attribute = "objectGUID"
	d.Answers(func(s upstreamtest.Said) []byte {
		if s.Op == ldap.ApplicationSearchRequest && (s.Filter == "(uid=ann)" || strings.Contains(s.Filter, "(objectGUID=3\"\x11"+`\00UDwf\88\99\aa\bb\cc\dd\ee\ff)`)) {
			return append(upstreamtest.Ann(s.ID, map[string][]string{"objectGUID": {raw}, "jpegPhoto": {"\xff\xd8"}, "userAccountControl": {"512"}}), upstreamtest.Result(s.ID, ldap.ApplicationSearchResultDone, 0)...)
		}
		return upstreamtest.Right(s)
	})
	b := directory(t, p)
	proof, err := typed(t, b, "ann", upstreamtest.AnnPassword)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"dn": upstreamtest.AnnDN, "username": "ann", "subject": "00112233-4455-6677-8899-aabbccddeeff", "groups": []any{"admins"},
		"attributes": map[string]any{"uid": []any{"ann"}, "entryuuid": []any{"uuid-of-ann"}, "mail": []any{"ann@acme.com"}, "useraccountcontrol": []any{"512"}},
	}
	if diff := cmp.Diff(want, proof.Claims); diff != "" {
		t.Error(diff)
	}
	if _, err := b.(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, "00112233-4455-6677-8899-aabbccddeeff", proof.Renewal); err != nil {
		asked, _ := d.Asked()
		t.Errorf("%v, asked %+v", err, asked[len(asked)-1])
	}
	for _, subject := range []string{"", "00112233", "*", "zz112233-4455-6677-8899-aabbccddeeff"} {
		if _, err := b.(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, subject, proof.Renewal); err == nil || errors.Is(err, upstream.ErrGone) {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// Somebody is asked about by the subject, and still has to be whom the filter is for; their
// name may be another one by now.
func TestWhoIsAskedAboutAgainIsStillWhomTheFilterIsFor(t *testing.T) {
	kept, _ := json.Marshal(map[string]string{"username": "a(nn"})
	for filter, want := range map[string]string{
		"(&(uid={username})(o=acme))":              "(&(&(uid=*)(o=acme))(entryUUID=uuid-of-ann))",
		"(|(uid={username})(mail={username}@x))":   "(&(|(uid=*)(mail=*@x))(entryUUID=uuid-of-ann))",
		"(uid:caseExactMatch:={username})":         `(&(uid:caseExactMatch:=a\28nn)(entryUUID=uuid-of-ann))`,
		"(|(uid~={username})(uid={username}))":     `(&(|(uid~=a\28nn)(uid=a\28nn))(entryUUID=uuid-of-ann))`,
		"(uid={username}*)":                        `(&(uid=a\28nn*)(entryUUID=uuid-of-ann))`,
		"(&(memberOf:1.2.3:=o=x)(uid={username}))": "(&(&(memberOf:1.2.3:=o=x)(uid=*))(entryUUID=uuid-of-ann))",
	} {
		d := upstreamtest.NewDirectory(t)
		p := d.Provider()
		p.LDAP.UserSearch.Filter = filter
		if _, err := directory(t, p).(upstream.Rechecker).Recheck(t.Context(), upstreamtest.Now, "uuid-of-ann", kept); err != nil {
			t.Errorf("%s: %v", filter, err)
		}
		if asked, _ := d.Asked(); len(asked) < 2 || asked[1].Filter != want {
			t.Errorf("%s: asked for %+v", filter, asked)
		}
	}
}

// A directory that shows nothing any more has lost nobody.
func TestNobodyIsGoneFromADirectoryThatShowsNothing(t *testing.T) {
	d := upstreamtest.NewDirectory(t)
	b := directory(t, d.Provider()).(upstream.Rechecker)
	kept, _ := json.Marshal(map[string]string{"username": "ann"})
	if _, err := b.Recheck(t.Context(), upstreamtest.Now, "uuid-of-bob", kept); !errors.Is(err, upstream.ErrGone) {
		t.Errorf("bob: %v", err)
	}
	for name, answer := range map[string]func(upstreamtest.Said) []byte{
		"nothing":       func(s upstreamtest.Said) []byte { return upstreamtest.Says(s, 0) },
		"no such base":  func(s upstreamtest.Said) []byte { return only(s, ldap.LDAPResultNoSuchObject) },
		"another's":     func(s upstreamtest.Said) []byte { return only(s, ldap.LDAPResultReferral) },
		"no permission": func(s upstreamtest.Said) []byte { return only(s, ldap.LDAPResultInsufficientAccessRights) },
		"somebody else": func(s upstreamtest.Said) []byte {
			if s.Op == ldap.ApplicationSearchRequest {
				return append(upstreamtest.Ann(s.ID, map[string][]string{"entryUUID": {"uuid-of-bob"}}), upstreamtest.Says(s, 0)...)
			}
			return upstreamtest.Right(s)
		},
		"busy": func(s upstreamtest.Said) []byte { return upstreamtest.Says(s, ldap.LDAPResultBusy) },
		"not us": func(s upstreamtest.Said) []byte {
			return upstreamtest.Says(s, ldap.LDAPResultInvalidCredentials)
		},
	} {
		d.Answers(answer)
		if _, err := b.Recheck(t.Context(), upstreamtest.Now, "uuid-of-ann", kept); !errors.Is(err, upstream.ErrUnavailable) || errors.Is(err, upstream.ErrGone) || strings.Contains(fmt.Sprint(err), upstreamtest.Inner) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func only(s upstreamtest.Said, code int) []byte {
	if s.Op == ldap.ApplicationSearchRequest {
		return upstreamtest.Says(s, code)
	}
	return upstreamtest.Right(s)
}

// Settings by which a password would travel in the clear or prove nothing are not served,
// and the error names the field.
func TestADirectoryIsNotServedUnsafely(t *testing.T) {
	d := upstreamtest.NewDirectory(t)
	for name, c := range map[string]struct {
		change func(*model.LDAPSettings)
		names  string
	}{
		"in the clear":             {func(l *model.LDAPSettings) { l.URL = "ldap://" + d.Address }, "ldap.url"},
		"both":                     {func(l *model.LDAPSettings) { l.StartTLS = true }, "ldap.startTLS"},
		"a socket":                 {func(l *model.LDAPSettings) { l.URL = "ldapi:///run/slapd" }, "ldap.url"},
		"without a connection":     {func(l *model.LDAPSettings) { l.URL = "cldap://" + d.Address }, "ldap.url"},
		"a name and password":      {func(l *model.LDAPSettings) { l.URL = "ldaps://a:b@" + d.Address }, "ldap.url"},
		"a path":                   {func(l *model.LDAPSettings) { l.URL += "/dc=acme" }, "ldap.url"},
		"no host":                  {func(l *model.LDAPSettings) { l.URL = "ldaps://:636" }, "ldap.url"},
		"no service password":      {func(l *model.LDAPSettings) { l.BindPassword = model.Sensitive{} }, "ldap.bindPasswordRef"},
		"nobody searches":          {func(l *model.LDAPSettings) { l.BindDN = "" }, "ldap.userSearch.baseDN"},
		"two ways":                 {func(l *model.LDAPSettings) { l.UserSearch.BaseDN = "uid={username},dc=acme" }, "ldap.userSearch.baseDN"},
		"the same for everybody":   {func(l *model.LDAPSettings) { l.UserSearch.Filter = "(uid=ann)" }, "ldap.userSearch.filter"},
		"no filter":                {func(l *model.LDAPSettings) { l.UserSearch.Filter = "(uid={username}" }, "ldap.userSearch.filter"},
		"no parentheses":           {func(l *model.LDAPSettings) { l.UserSearch.Filter = "uid={username}" }, "ldap.userSearch.filter"},
		"no subject":               {func(l *model.LDAPSettings) { l.UserSearch.Attribute = "" }, "ldap.userSearch.attribute"},
		"groups by what is no one": {func(l *model.LDAPSettings) { l.GroupSearch = &model.LDAPSearch{Filter: "member={dn"} }, "ldap.groupSearch.filter"},
	} {
		p := d.Provider()
		c.change(p.LDAP)
		if b, err := upstream.New(p, upstreamtest.Env(upstreamtest.Loopback)); err == nil || b != nil || !strings.Contains(err.Error(), c.names) || strings.Contains(err.Error(), upstreamtest.ServicePassword) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
