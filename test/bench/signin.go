package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/gatehouse-dev/gatehouse/test/process"
)

const (
	// signInsAtOnce is how many people sign in in parallel.
	signInsAtOnce = 200
	// crowdFor is for how long.
	crowdFor = 15 * time.Second
	// triesEach is how often a page is tried for somebody who exists, and for nobody.
	triesEach = 200
	// farAway are rate limits that nothing here reaches, and that are looked at all the same.
	farAway = "1000000000"
)

// measureSignIn shows what passwords cost when many come at once, and that nobody learns from
// the time of an answer who has an account.
func measureSignIn(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "gatehouse-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sink, err := mailSink()
	if err != nil {
		return err
	}
	defer sink.Close()
	binary, err := process.Build(ctx, dir)
	if err != nil {
		return err
	}
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(manifests, "acme.yaml"), []byte(declarations("gcs_"+strings.Repeat("s", 40))), 0o600); err != nil {
		return err
	}
	p, err := process.Serve(ctx, process.Options{
		Binary: binary, Manifests: manifests, DataDir: filepath.Join(dir, "data"), RateLimitScale: farAway,
		Flags: []string{"--smtp-url", "smtp://" + sink.Addr, "--smtp-from", "no-reply@example.com", "--log-level", "error"},
	})
	if err != nil {
		return err
	}
	defer func() { _ = p.Stop() }()
	if _, err := p.DemoPassword(ctx); err != nil {
		return err
	}
	if err := measureTimes(p); err != nil {
		return err
	}
	return measureCrowd(ctx, p)
}

// visitor is a browser with the form of a page, which it sends again and again.
type visitor struct {
	client *http.Client
	at     string
	form   url.Values
}

var hidden = regexp.MustCompile(`name="token" value="([^"]+)"`)

func newVisitor(page, post string, fill url.Values) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{&http.Client{
		Jar: jar, Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, post, fill}
	answer, err := v.client.Get(page)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	token := hidden.FindSubmatch(body)
	if token == nil {
		return nil, fmt.Errorf("no form on %s: %d", page, answer.StatusCode)
	}
	v.form.Set("token", string(token[1]))
	return v, nil
}

// send posts the form and returns the status and how long the answer took.
func (v *visitor) send(ctx context.Context) (int, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, v.at, strings.NewReader(v.form.Encode()))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	began := time.Now()
	answer, err := v.client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, time.Since(began), errors.Join(err, answer.Body.Close())
}

// measureTimes prints how long pages take for somebody who exists, for nobody, and for nobody
// once more: the difference of the last two is noise.
func measureTimes(p *process.Process) error {
	fmt.Printf("\nKnown and unknown people: %d tries each, in random order, medians (first to third quartile)\n\n", triesEach)
	fmt.Println("| page | known | unknown | unknown again | known − unknown | noise |")
	fmt.Println("|---|--:|--:|--:|--:|--:|")
	for _, page := range []struct {
		name, at, field, known, unknown, again string
		more                                   url.Values
	}{
		{"sign-in, wrong password", "/login/", "email", "demo@example.com", "nobody@example.com", "noone@example.com", url.Values{"password": {"wrong"}}},
		{"forgotten password", "/forgot/", "email", "demo@example.com", "nobody@example.com", "noone@example.com", nil},
	} {
		var visitors [3]*visitor
		for i, who := range []string{page.known, page.unknown, page.again} {
			fill := url.Values{page.field: {who}}
			for name, values := range page.more {
				fill[name] = values
			}
			var err error
			if visitors[i], err = newVisitor(p.URL+page.at, p.URL+page.at, fill); err != nil {
				return err
			}
		}
		if err := compare(page.name, visitors); err != nil {
			return err
		}
	}
	return nil
}

func compare(name string, visitors [3]*visitor) error {
	var times [3][]time.Duration
	for range triesEach {
		for _, i := range rand.Perm(3) {
			_, took, err := visitors[i].send(context.Background())
			if err != nil {
				return err
			}
			times[i] = append(times[i], took)
		}
	}
	var shown [3]string
	var middle [3]time.Duration
	for i := range times {
		slices.Sort(times[i])
		at := func(q int) time.Duration { return times[i][len(times[i])*q/4].Round(10 * time.Microsecond) }
		middle[i] = at(2)
		shown[i] = fmt.Sprintf("%v (%v–%v)", at(2), at(1), at(3))
	}
	fmt.Printf("| %s | %s | %s | %s | %v | %v |\n", name, shown[0], shown[1], shown[2], middle[0]-middle[1], middle[2]-middle[1])
	return nil
}

// measureCrowd signs 200 people in at once, and looks what becomes of everybody else.
func measureCrowd(ctx context.Context, p *process.Process) error {
	calm, err := elsewhere(ctx, p, crowdFor/3)
	if err != nil {
		return err
	}
	before, err := p.RSS()
	if err != nil {
		return err
	}
	var visitors []*visitor
	for i := range signInsAtOnce {
		v, err := newVisitor(p.URL+"/login/", p.URL+"/login/", url.Values{"email": {fmt.Sprintf("user%d@example.com", i)}, "password": {"wrong"}})
		if err != nil {
			return err
		}
		visitors = append(visitors, v)
	}
	crowd, cancel := context.WithTimeout(ctx, crowdFor)
	defer cancel()
	var mu sync.Mutex
	statuses, took := map[int]int{}, map[int][]time.Duration{}
	var all sync.WaitGroup
	for _, v := range visitors {
		all.Go(func() {
			for crowd.Err() == nil {
				status, time, err := v.send(crowd)
				if err != nil {
					return // it is over
				}
				mu.Lock()
				statuses[status]++
				took[status] = append(took[status], time)
				mu.Unlock()
				if status != http.StatusForbidden {
					pause(crowd, comeBack) // as the answer asks
				}
			}
		})
	}
	busy, err := elsewhere(crowd, p, crowdFor*2/3)
	all.Wait()
	if err != nil {
		return err
	}
	peak, err := p.PeakRSS()
	if err != nil {
		return err
	}
	fmt.Printf("\n%d people sign in at once, wrongly, and again after a second where they are turned away, for %v: resident memory %.0f MiB before, %.0f MiB at its peak\n\n", signInsAtOnce, crowdFor, before, peak)
	fmt.Println("| answer | how many | a second | median | slowest |\n|---|--:|--:|--:|--:|")
	for _, status := range slices.Sorted(func(yield func(int) bool) {
		for s := range statuses {
			if !yield(s) {
				return
			}
		}
	}) {
		slices.Sort(took[status])
		n := len(took[status])
		fmt.Printf("| %d | %d | %.0f | %v | %v |\n", status, n, float64(n)/crowdFor.Seconds(), took[status][n/2].Round(time.Millisecond), took[status][n-1].Round(time.Millisecond))
	}
	fmt.Printf("\nOther endpoints meanwhile (client credentials, one at a time): median %v, 99 of 100 within %v; without the crowd %v and %v\n",
		busy[0], busy[1], calm[0], calm[1])
	return nil
}

// comeBack is what Retry-After says of who is turned away.
const comeBack = time.Second

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// elsewhere asks for tokens of an application, one at a time, and returns median and 99th
// percentile of the time that takes.
func elsewhere(ctx context.Context, p *process.Process, length time.Duration) ([2]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var times []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		a, err := send(post(p.URL+"/oauth/token/", url.Values{"grant_type": {"client_credentials"}}, "acme.ci", "gcs_"+strings.Repeat("s", 40)))
		if err != nil {
			return [2]time.Duration{}, err
		}
		if a.status != http.StatusOK {
			return [2]time.Duration{}, fmt.Errorf("client credentials: status %d: %s", a.status, a.body)
		}
		times = append(times, time.Since(began))
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(times)
	return [2]time.Duration{times[len(times)/2].Round(10 * time.Microsecond), times[len(times)*99/100].Round(10 * time.Microsecond)}, nil
}

// sinkOf takes letters and forgets them.
type sinkOf struct{}

func (sinkOf) NewSession(*smtp.Conn) (smtp.Session, error) { return sinkOf{}, nil }
func (sinkOf) Mail(string, *smtp.MailOptions) error        { return nil }
func (sinkOf) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (sinkOf) Reset()                                      {}
func (sinkOf) Logout() error                               { return nil }
func (sinkOf) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// mailSink is a mail server on loopback.
func mailSink() (*smtp.Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := smtp.NewServer(sinkOf{})
	s.Addr, s.Domain = l.Addr().String(), "localhost"
	go func() { _ = s.Serve(l) }()
	return s, nil
}
