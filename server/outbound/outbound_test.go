package outbound

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
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
