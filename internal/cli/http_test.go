package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// quick are the usual limits with every time that a test waits for made short.
func quick() httpLimits {
	l := usualLimits
	l.header, l.request, l.answer, l.idle = 100*time.Millisecond, 200*time.Millisecond, time.Second, time.Second
	return l
}

// start serves on a free port of loopback until the test ends.
func start(t *testing.T, l listening) (address string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Listener, l.log = socket, slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // a hang is a failure
		t.Fatal(err)
	}
	return c
}

// firstLine is the status line of the next answer on the connection, empty at its end.
func firstLine(c net.Conn) string {
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

var fine = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
})

func TestEveryPhaseOfAConnectionEnds(t *testing.T) {
	address := start(t, listening{handler: fine, limits: quick()})
	for name, begun := range map[string]string{
		"nothing":       "",
		"half a header": "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
		"half a body":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\na=b",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, address)
			fmt.Fprint(c, begun)
			rest, err := io.ReadAll(c) // ends when the server does
			if err != nil || strings.Contains(string(rest), " 200 ") {
				t.Errorf("read %q, %v; want the end of the connection", rest, err)
			}
		})
	}
}

func TestTheUsualLimitsAreThoseOfTheDocumentation(t *testing.T) {
	l := usualLimits
	if l.header > 10*time.Second || l.request > 30*time.Second || l.answer > time.Minute || l.idle > 5*time.Minute {
		t.Errorf("a phase of a connection is long: %+v", l)
	}
	if l.headerBytes != 16<<10 || l.connections != 4096 || l.streams != 100 {
		t.Errorf("sizes: %+v", l)
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	address := start(t, listening{handler: fine, limits: usualLimits})
	for size, want := range map[int]string{12 << 10: "200 OK", 21 << 10: "431 Request Header Fields Too Large"} {
		c := dial(t, address)
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Large: %s\r\n\r\n", strings.Repeat("a", size))
		if got := firstLine(c); got != "HTTP/1.1 "+want {
			t.Errorf("%d bytes of header: %q, want %s", size, got, want)
		}
	}
}

// keepAlive sends a request that leaves the connection open, and reads its answer.
func keepAlive(t *testing.T, c net.Conn) bool {
	t.Helper()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	return err == nil && a.StatusCode == http.StatusOK
}

func TestANewcomerTakesThePlaceOfTheLongestIdleConnection(t *testing.T) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	c := &crowd{Listener: socket, most: 4, open: map[*member]struct{}{}}
	arrive := func() (theirs, ours net.Conn) {
		theirs = dial(t, socket.Addr().String())
		ours, err := c.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ours.Close() })
		return theirs, ours
	}
	_, first := arrive()
	second, inSecond := arrive()
	_, third := arrive()
	_, fresh := arrive() // has said nothing yet
	for _, conn := range []net.Conn{first, inSecond, tls.Server(third, nil)} {
		c.noteState(conn, http.StateActive)
		c.noteState(conn, http.StateIdle)
	}
	c.noteState(first, http.StateActive) // and again
	c.noteState(first, http.StateIdle)
	arrive()
	if rest, err := io.ReadAll(second); err != nil || len(rest) > 0 {
		t.Errorf("the longest idle one reads %q, %v; want its end", rest, err)
	}
	for name, conn := range map[string]net.Conn{"the first": first, "the third": third, "the fresh one": fresh} {
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	inSecond.Close() // as its server does; it gives back nothing more
	if n := len(c.open); n != 4 {
		t.Errorf("%d are open, want 4", n)
	}
}

func TestWhereNobodyIsIdleTheNewcomerIsTurnedAwayAtOnce(t *testing.T) {
	limits := usualLimits
	limits.connections = 2
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	var crowd crowdProbe
	address := start(t, listening{handler: slow, limits: limits, refused: crowd.counter()})
	busy := []net.Conn{dial(t, address), dial(t, address)}
	for _, c := range busy {
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		<-arrived
	}
	if rest, err := io.ReadAll(dial(t, address)); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the newcomer reads %q, %v; want its end at once", rest, err)
	}
	if n := crowd.refused(t); n != 1 {
		t.Errorf("%v were turned away, want 1", n)
	}
	close(release)
	for _, c := range busy {
		if got := firstLine(c); got != "HTTP/1.1 200 OK" {
			t.Errorf("one who was there before: %q", got)
		}
	}
	for tries := 1; !keepAlive(t, dial(t, address)); tries++ { // until the server has seen one become idle
		if tries == 10_000 {
			t.Fatal("afterwards there is no room")
		}
	}
}

// crowdProbe reads how many connections were turned away.
type crowdProbe struct{ registry *prometheus.Registry }

func (p *crowdProbe) counter() prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "refused", Help: "Refused."})
	p.registry = prometheus.NewRegistry()
	p.registry.MustRegister(c)
	return c
}

func (p *crowdProbe) refused(t *testing.T) float64 { return metric(t, p.registry, "refused", "") }

// metric is the value of a metric; label is the value of its only label, if it has one.
func metric(t *testing.T, from prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s %s", name, label)
	return 0
}

func trusting(pool *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "auth.example.com"}, ForceAttemptHTTP2: true,
	}}
}
