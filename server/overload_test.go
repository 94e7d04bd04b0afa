package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/decide"
	"github.com/gatehouse-dev/gatehouse/server/limits"
)

// slowServer serves /slow, which waits for its release, and /fast; both by POST too.
func slowServer(t *testing.T, work int) (at string, arrived chan struct{}, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}, 1000), make(chan struct{})
	s := &Server{Config: Config{Issuer: "https://auth.example.com", Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
	s.load.limit(work)
	slow := func(*request) (answer, error) {
		arrived <- struct{}{}
		<-release
		return noContent{}, nil
	}
	fast := func(*request) (answer, error) { return noContent{}, nil }
	s.perSource = limits.NewLimiter(1, 1, 0)
	s.router = newRouter([]route{{path: "/slow", get: slow, post: slow}, {path: "/fast", get: fast, post: fast}})
	s.world.Store(&decide.World{})
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return h.URL, arrived, release
}

type turnedAway struct {
	status int
	header http.Header
}

func ask(t *testing.T, client *http.Client, at string) turnedAway {
	t.Helper()
	a, err := client.Get(at)
	if err != nil {
		t.Error(err)
		return turnedAway{}
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	return turnedAway{a.StatusCode, a.Header}
}

func TestBeyondTheBoundIsToldAtOnceAndTheServerRecovers(t *testing.T) {
	const work, callers = 32, 300
	at, arrived, release := slowServer(t, work)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	answers := make(chan turnedAway, callers)
	for range callers {
		go func() { answers <- ask(t, client, at+"/slow") }()
	}
	for range callers - work { // the others are answered while these wait
		if a := <-answers; a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "1" {
			t.Fatalf("beyond the bound: %d %v, want 503 with Retry-After", a.status, a.header)
		}
	}
	if n := len(arrived); n != work {
		t.Errorf("%d are at work, want %d", n, work)
	}
	if a := ask(t, client, at+"/fast"); a.status != http.StatusServiceUnavailable {
		t.Errorf("one more: %d, want 503", a.status)
	}
	close(release)
	for range work {
		if a := <-answers; a.status != http.StatusNoContent {
			t.Errorf("one who was let in: %d, want 204", a.status)
		}
	}
	for range 2 * work {
		if a := ask(t, client, at+"/slow"); a.status != http.StatusNoContent {
			t.Fatalf("afterwards: %d, want 204", a.status)
		}
	}
}

// slowBody begins a POST and returns when its body is waited for, or the answer if that
// comes first.
func slowBody(t *testing.T, at, expect string) (net.Conn, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // a hang is a failure
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST /fast HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n"+expect+"\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return conn, strings.TrimSpace(line)
}

const expectContinue = "Expect: 100-continue\r\n"

// A slow loris with its body holds no place where work is done, and only so much memory.
func TestSlowBodiesKeepNobodyFromWorking(t *testing.T) {
	const work = 2
	at, _, _ := slowServer(t, work)
	var slow []net.Conn
	for i := range work * bodiesPerWork {
		conn, line := slowBody(t, at, expectContinue)
		if line != "HTTP/1.1 100 Continue" {
			t.Fatalf("body %d: %s", i, line)
		}
		slow = append(slow, conn)
	}
	for _, expect := range []string{expectContinue, ""} { // the server must not wait for the rest either
		if _, line := slowBody(t, at, expect); line != "HTTP/1.1 503 Service Unavailable" {
			t.Errorf("one body more: %q, want 503 at once", line)
		}
	}
	if a := ask(t, http.DefaultClient, at+"/fast"); a.status != http.StatusNoContent {
		t.Errorf("a request without body: %d", a.status)
	}
	fmt.Fprint(slow[0], "a=b&c")
	if line, err := bufio.NewReader(slow[0]).ReadString('\n'); err != nil || !strings.Contains(line, "204") {
		t.Errorf("the body that arrived in the end: %s %v", line, err)
	}
	if conn, line := slowBody(t, at, expectContinue); line != "HTTP/1.1 100 Continue" {
		t.Errorf("in its place: %s", line)
	} else {
		conn.Close()
	}
}

// Hashing is bounded apart: however many sign in at once, machines get their answers.
func TestSignInsStarveNobody(t *testing.T) {
	w := newTown(t)
	b := w.open()
	form := fields(t, b.get("/login/"), "/login/")
	form.Set("password", "wrong")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var under atomic.Int64
	busy := make(chan *httptest.ResponseRecorder, 5000)
	var all sync.WaitGroup
	places := int64(max(1, runtime.GOMAXPROCS(0)/2) * 65) // what server/people lets wait and work
	for i := range places + 335 {
		mine := maps.Clone(form)
		mine.Set("email", fmt.Sprintf("nobody%d@example.com", i))
		all.Go(func() {
			under.Add(1)
			defer under.Add(-1)
			if answer := b.signInFrom(ctx, fmt.Sprintf("203.0.113.%d", i%250), mine); answer.Code == http.StatusTooManyRequests {
				busy <- answer
			}
		})
	}
	first := <-busy
	if first.Header().Get("Retry-After") != "1" || !strings.Contains(first.Body.String(), "Too many people are signing in right now") {
		t.Errorf("who is too late reads %v %s", first.Header(), first.Body)
	}
	for range 20 {
		w.client(t, "/oauth/device/code/", url.Values{}) // fails the test unless it is answered 200
	}
	if n := under.Load(); n == 0 {
		t.Error("no sign-in was under way meanwhile")
	}
	// Those who were turned away leave as fast as they are scheduled.
	for tried := 0; w.load.work.now.Load() > places && tried < 5000; tried++ {
		<-time.After(time.Millisecond)
	}
	if n := w.load.work.now.Load(); n > places || places > w.load.work.most/2 {
		t.Errorf("sign-ins hold %d of %d places, want %d at most", n, w.load.work.most, places)
	}
	cancel() // they hang up
	all.Wait()
	wantTo(t, "a sign-in afterwards", w.open().signIn(t, "ann@example.com", rightPassword), "/")
}

// signInFrom posts a sign-in of the tab's from another address.
func (b *tab) signInFrom(ctx context.Context, ip string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "https://id.example/login/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = ip + ":1"
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	answer := httptest.NewRecorder()
	b.town.Handler().ServeHTTP(answer, r)
	return answer
}
