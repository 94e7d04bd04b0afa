package outbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Every form of an address that is not the Internet's, as a socket sees it.
func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:443", "127.255.255.254:443", "0.0.0.0:443", "10.0.0.1:443", "172.16.0.1:443", "172.31.255.255:443", "192.168.1.1:443",
		"100.64.0.1:443", "100.127.255.255:443", "169.254.169.254:80", "224.0.0.1:443", "239.255.255.255:443", "240.0.0.1:443", "255.255.255.255:443",
		"192.0.0.1:443", "192.0.2.1:443", "198.18.0.1:443", "198.51.100.1:443", "203.0.113.1:443", "192.88.99.1:443",
		"[::1]:443", "[::]:443", "[fe80::1]:443", "[fe80::1%eth0]:443", "[fc00::1]:443", "[fd12:3456::1]:443", "[ff02::1]:443", "[fec0::1]:443",
		"[::ffff:127.0.0.1]:443", "[::ffff:10.0.0.1]:443", "[::ffff:169.254.169.254]:443", "[::127.0.0.1]:443",
		"[64:ff9b::7f00:1]:443", "[64:ff9b:1::a00:1]:443", "[2002:7f00:1::]:443", "[2001:0:7f00:1::]:443", "[2001:db8::1]:443", "[3fff::1]:443", "[100::1]:443",
		"localhost:443", "", "1.1.1.1",
	} {
		network := "tcp4"
		if strings.HasPrefix(address, "[") {
			network = "tcp6"
		}
		if err := (Options{}).check(network, address); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := (Options{}).check("unix", "/run/x"); !errors.Is(err, ErrRefused) {
		t.Errorf("a socket of this machine: %v", err)
	}
}

func TestPublicAndAllowedAddressesAreReached(t *testing.T) {
	o := Options{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}}
	for address, want := range map[string]bool{
		"1.1.1.1:443": true, "172.32.0.1:443": true, "100.128.0.1:443": true, "[2606:4700::1111]:443": true, "[::ffff:1.1.1.1]:443": true,
		"10.1.2.3:443": true, "[::ffff:10.1.2.3]:443": true, "[fd00:1::5]:443": true,
		"10.2.0.1:443": false, "127.0.0.1:443": false, "[fd00:2::5]:443": false,
	} {
		network := map[bool]string{true: "tcp6", false: "tcp4"}[strings.HasPrefix(address, "[")]
		if err := o.check(network, address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// house is an https server on loopback, and how often it was asked.
type house struct {
	*httptest.Server
	asked atomic.Int64
	roots *x509.CertPool
}

func newHouse(t *testing.T, h http.HandlerFunc) *house {
	t.Helper()
	s := &house{roots: x509.NewCertPool()}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	s.roots.AddCert(s.Certificate())
	return s
}

func (s *house) client(allow ...string) *Client {
	return New(Options{Allow: networks(allow...), RootCAs: s.roots})
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func TestThisMachineIsReachedOnlyWhereItIsAllowed(t *testing.T) {
	s := newHouse(t, says("hello"))
	if body, err := s.client("127.0.0.0/8").Get(t.Context(), s.URL); err != nil || string(body) != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	before := s.asked.Load()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"} {
		if _, err := s.client().Get(t.Context(), "https://"+host+":"+port+"/"); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if s.asked.Load() != before {
		t.Error("the server was asked")
	}
}

func TestOnlyHTTPSIsFetched(t *testing.T) {
	var asked atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(plain.Close)
	c := New(Options{Allow: networks("127.0.0.0/8")})
	for _, u := range []string{plain.URL, "file:///etc/passwd", "gopher://127.0.0.1/", "https://user:pass@127.0.0.1/", "https:///x", "::"} {
		if _, err := c.Get(t.Context(), u); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if asked.Load() > 0 {
		t.Error("a server was asked in the clear")
	}
}

func TestAServerWithoutAGoodCertificateIsRefused(t *testing.T) {
	s := newHouse(t, says("hello"))
	if _, err := New(Options{Allow: networks("127.0.0.0/8")}).Get(t.Context(), s.URL); err == nil {
		t.Error("a certificate of nobody was taken")
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	target := newHouse(t, says("inside"))
	s := newHouse(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) })
	s.roots.AddCert(target.Certificate())
	if body, err := s.client("127.0.0.0/8").Get(t.Context(), s.URL); err == nil || target.asked.Load() > 0 {
		t.Errorf("%q, %v; the target was asked %d times", body, err, target.asked.Load())
	}
}

func TestAnAnswerHasABound(t *testing.T) {
	for size, want := range map[int]bool{Limit: true, Limit + 1: false} {
		s := newHouse(t, says(strings.Repeat("x", size)))
		if body, err := s.client("127.0.0.0/8").Get(t.Context(), s.URL); (err == nil) != want || want && len(body) != size {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestOnly200IsAnAnswerAndNothingOfOthersIsShown(t *testing.T) {
	s := newHouse(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("inner words"))
	})
	_, err := s.client("127.0.0.0/8").Get(t.Context(), s.URL+"/?key=private")
	if err == nil || strings.Contains(err.Error(), "inner") || strings.Contains(err.Error(), "private") {
		t.Errorf("%v", err)
	}
}

func TestASlowServerIsGivenUp(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"before its header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within its body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // to return would end the body, which could still be read as whole
		},
	} {
		s := newHouse(t, h)
		c := New(Options{Allow: networks("127.0.0.0/8"), RootCAs: s.roots, timeout: 50 * time.Millisecond})
		if _, err := c.Get(t.Context(), s.URL); err == nil {
			t.Errorf("slow %s: waited for", name)
		}
	}
}

// nameServer answers every question for an IPv4 address with the next of the list.
func nameServer(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		room := make([]byte, 1500)
		for asked := 0; ; {
			n, from, err := conn.ReadFrom(room)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(room[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type},
					Body:   &dnsmessage.AResource{A: addresses[min(asked, len(addresses)-1)]},
				}}
				asked++
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// A name that led to an address that may be reached leads to another one the next time:
// what was found out about it a moment ago says nothing.
func TestANameThatChangesItsAddressIsRefused(t *testing.T) {
	s := newHouse(t, says("hello"))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	// httptest's certificate is for example.com too.
	c := New(Options{
		Allow: networks("127.0.0.1/32"), RootCAs: s.roots,
		Resolver: nameServer(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2}, [4]byte{10, 0, 0, 1}, [4]byte{169, 254, 169, 254}),
	})
	if body, err := c.Get(t.Context(), "https://example.com:"+port+"/"); err != nil || string(body) != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	for range 3 {
		c.http.CloseIdleConnections()
		if _, err := c.Get(t.Context(), "https://example.com:"+port+"/"); !errors.Is(err, ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	if s.asked.Load() != 1 {
		t.Errorf("the server was asked %d times", s.asked.Load())
	}
}

// A proxy would be dialled in the place of the address that is checked, and it, not this
// process, would resolve the name.
func TestNoProxyIsAsked(t *testing.T) {
	s := newHouse(t, says("hello"))
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	c := New(Options{Allow: networks("127.0.0.1/32"), RootCAs: s.roots, Resolver: nameServer(t, [4]byte{127, 0, 0, 1})})
	if body, err := c.Get(t.Context(), "https://example.com:"+port+"/"); err != nil || string(body) != "hello" || asked.Load() > 0 {
		t.Errorf("%q, %v; the proxy was asked %d times", body, err, asked.Load())
	}
}

func TestNoPasswordIsSent(t *testing.T) {
	s := newHouse(t, says("hello"))
	if _, err := s.client("127.0.0.0/8").Get(t.Context(), strings.Replace(s.URL, "https://", "https://user:pass@", 1)); err == nil || s.asked.Load() > 0 {
		t.Errorf("%v; the server was asked %d times", err, s.asked.Load())
	}
}

// Headers, and what a small answer could grow to, have bounds in either version of HTTP.
func TestNothingOfAnAnswerIsUnbounded(t *testing.T) {
	for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		s := &house{roots: x509.NewCertPool()}
		s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor == 2 != two {
				t.Errorf("%s: asked by %s", name, r.Proto)
			}
			switch r.URL.Path {
			case "/header":
				for i := range 64 {
					w.Header().Set("X-"+strings.Repeat("x", i), strings.Repeat("x", 1<<10))
				}
			case "/zip":
				w.Header().Set("Content-Encoding", "gzip")
			}
			if r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("%s: a compressed answer is asked for", name)
			}
			_, _ = w.Write([]byte("zipped"))
		}))
		s.EnableHTTP2 = two
		s.StartTLS()
		t.Cleanup(s.Close)
		s.roots.AddCert(s.Certificate())
		c := s.client("127.0.0.0/8")
		if body, err := c.Get(t.Context(), s.URL+"/zip"); err != nil || string(body) != "zipped" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		if _, err := c.Get(t.Context(), s.URL+"/header"); err == nil {
			t.Errorf("%s: 64 KiB of headers are read", name)
		}
	}
}

// Whatever answers there, the first line of what it says is nobody's to read.
func TestAnAnswerThatIsNoHTTPIsNotShown(t *testing.T) {
	for _, line := range []string{"inner words", "HTTP/1.1 inner words", "HTTP/1.1 200 OK\r\ninner words", "HTTP/1.1 200 OK\r\nTransfer-Encoding: inner", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ninner"} {
		s := newHouse(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte(line + "\r\n\r\n"))
			_ = conn.Close()
		})
		_, err := s.client("127.0.0.0/8").Get(t.Context(), s.URL)
		if err == nil || strings.Contains(err.Error(), "inner") || strings.Contains(err.Error(), "words") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestAFormIsPostedAsOAuthHasIt(t *testing.T) {
	s := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		id, secret, basic := r.BasicAuth()
		_, _ = fmt.Fprintf(w, "%s %s %q %s %q %q %v %q", r.Method, r.Header.Get("Content-Type"), r.PostFormValue("code"), r.Header.Get("Accept"), id, secret, basic, r.Header.Get("Authorization"))
	})
	c := s.client("127.0.0.0/8")
	for want, ask := range map[string]Ask{
		`POST application/x-www-form-urlencoded "a&b=c" application/json "us%3Aer" "p%2Bw" true "Basic dXMlM0FlcjpwJTJCdw=="`: {Form: url.Values{"code": {"a&b=c"}}, ClientID: "us:er", ClientSecret: "p+w"},
		`GET  "" text/xml "" "" false "Bearer token"`: {Bearer: "token", Accept: "text/xml"},
		`GET  "" application/json "" "" false ""`:     {},
	} {
		ask.URL = s.URL
		reply, err := c.Send(t.Context(), ask)
		if err != nil || reply.Status != 200 || string(reply.Body) != want {
			t.Errorf("%s, not %s, %v", reply.Body, want, err)
		}
	}
}

func TestSendTellsStatusAndBoundsTheBody(t *testing.T) {
	s := newHouse(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("12345678"))
	})
	c := s.client("127.0.0.0/8")
	if reply, err := c.Send(t.Context(), Ask{URL: s.URL, Limit: 8}); err != nil || reply.Status != http.StatusTeapot || len(reply.Body) != 8 {
		t.Errorf("%+v, %v", reply, err)
	}
	if reply, err := c.Send(t.Context(), Ask{URL: s.URL, Limit: 7}); !errors.Is(err, ErrTooLarge) || reply.Body != nil {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err := c.Send(t.Context(), Ask{URL: s.URL, Bearer: "secret\r\nX: y"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestASecretIsNotSentToWhereItIsRedirected(t *testing.T) {
	target := newHouse(t, says("inside"))
	s := newHouse(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect) // which keeps method and body
	})
	s.roots.AddCert(target.Certificate())
	reply, err := s.client("127.0.0.0/8").Send(t.Context(), Ask{URL: s.URL, Form: url.Values{"code": {"x"}}, ClientID: "id", ClientSecret: "secret"})
	if err != nil || reply.Status != http.StatusTemporaryRedirect || target.asked.Load() > 0 {
		t.Errorf("%+v, %v; the target was asked %d times", reply, err, target.asked.Load())
	}
}

// A bundle of one provider is all that counts for it, and for no other.
func TestAProviderIsVerifiedByItsOwnBundleAlone(t *testing.T) {
	s, other := newHouse(t, says("hello")), x509.NewCertPool()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	stranger := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	its := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	other.AddCert(s.Certificate())
	for name, c := range map[string]struct {
		system *x509.CertPool
		bundle string
		ok     bool
	}{
		"its own": {nil, its, true}, "the system's": {other, "", true}, "neither": {x509.NewCertPool(), "", false},
		"somebody else's": {other, stranger, false}, "no certificate": {other, "nothing", false},
	} {
		client := New(Options{Allow: networks("127.0.0.0/8"), RootCAs: c.system}.With(c.bundle))
		_, err := client.Get(t.Context(), s.URL)
		until, reached := client.Reach(t.Context(), s.URL)
		if (err == nil) != c.ok || (reached == nil) != c.ok || c.ok && !until.Equal(s.Certificate().NotAfter) {
			t.Errorf("%s: %v, %v, %v", name, err, reached, until)
		}
	}
}

func TestWhatSpeaksNoHTTPIsDialledByTheSameRules(t *testing.T) {
	s := newHouse(t, says("hello"))
	address := s.Listener.Addr().String()
	if conn, err := s.client().Dial(t.Context(), address); !errors.Is(err, ErrRefused) {
		t.Errorf("%v, %v", conn, err)
	}
	if _, err := s.client().Reach(t.Context(), s.URL); !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
	conn, err := s.client("127.0.0.0/8").Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for _, u := range []string{"http://" + address, "ldap://" + address, "::", "https://"} {
		if _, err := s.client("127.0.0.0/8").Reach(t.Context(), u); err == nil {
			t.Errorf("%s was reached", u)
		}
	}
}

func TestAtAFullGateNobodyWaits(t *testing.T) {
	here, on := make(chan struct{}), make(chan struct{})
	s := newHouse(t, func(http.ResponseWriter, *http.Request) {
		here <- struct{}{}
		<-on
	})
	gate := make(Gate, 2)
	one, two := s.client("127.0.0.0/8").Within(gate), s.client("127.0.0.0/8").Within(gate)
	done := make(chan error)
	for _, c := range []*Client{one, two} {
		go func() {
			_, err := c.Get(t.Context(), s.URL)
			done <- err
		}()
		<-here
	}
	if _, err := one.Get(t.Context(), s.URL); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	close(on)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	go func() { <-here }()
	if _, err := two.Get(t.Context(), s.URL); err != nil {
		t.Errorf("with places at the gate: %v", err)
	}
}
