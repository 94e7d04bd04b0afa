package outbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrTooLarge: an answer is larger than it may be. What of it was read is thrown away.
var ErrTooLarge = errors.New("the answer is too large")

// ErrBusy: as many are asked already as may be at the same time. Nobody waits for that.
var ErrBusy = errors.New("too many answers are waited for already")

// Gate bounds how many answers are waited for at the same time, by all who share it: slow
// servers of one tenant keep nobody else's requests from being served.
type Gate chan struct{}

// Within returns the Client behind a gate, on the same connections.
func (c *Client) Within(g Gate) *Client {
	gated := *c
	gated.gate = g
	return &gated
}

// Enter takes a place at the gate until leave is called, or says that there is none: ErrBusy.
// Send does it by itself; it is for what connects by Dial.
func (c *Client) Enter() (leave func(), err error) {
	if c.gate == nil {
		return func() {}, nil
	}
	select {
	case c.gate <- struct{}{}:
		return func() { <-c.gate }, nil
	default:
		return nil, ErrBusy
	}
}

// Ask is one request.
type Ask struct {
	URL    string     // https
	Form   url.Values // posted; nil: the request is a GET
	Bearer string     // RFC 6750; empty: none
	// ClientID and ClientSecret are those of HTTP Basic as OAuth has it (RFC 6749 section
	// 2.3.1); without ClientID nothing is sent.
	ClientID, ClientSecret string
	Accept                 string // media type; empty: JSON
	Limit                  int64  // bytes of the body; zero: Limit
}

// Reply is what was answered, with whatever status.
type Reply struct {
	Status int
	Body   []byte
}

// Send sends one request and reads the whole answer. The error says where it failed and
// shows nothing of what was sent or answered. ErrRefused, ErrTooLarge, ErrBusy.
func (c *Client) Send(ctx context.Context, ask Ask) (Reply, error) {
	r, err := ask.request(ctx)
	if err != nil {
		return Reply{}, err
	}
	leave, err := c.Enter()
	if err != nil {
		return Reply{}, fmt.Errorf("fetch from %s: %w", r.URL.Host, err)
	}
	defer leave()
	answer, err := c.http.Do(r)
	if err != nil {
		return Reply{}, fmt.Errorf("fetch from %s: %w", r.URL.Host, cause(err))
	}
	defer func() { _ = answer.Body.Close() }()
	most := cmp.Or(ask.Limit, Limit)
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	switch {
	case err != nil:
		return Reply{}, fmt.Errorf("fetch from %s: %w", r.URL.Host, cause(err))
	case int64(len(body)) > most:
		return Reply{}, fmt.Errorf("fetch from %s: %w: more than %d bytes", r.URL.Host, ErrTooLarge, most)
	}
	return Reply{answer.StatusCode, body}, nil
}

// Get returns the body of an https URL that answers 200.
func (c *Client) Get(ctx context.Context, from string) ([]byte, error) {
	reply, err := c.Send(ctx, Ask{URL: from})
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, fmt.Errorf("fetch from %s: the answer is %d, not 200", host(from), reply.Status)
	}
	return reply.Body, nil
}

// Close lets go of connections that rest. The Client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (ask Ask) request(ctx context.Context) (*http.Request, error) {
	u, err := url.Parse(ask.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("fetch: the URL is no https URL with a host")
	}
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if ask.Form != nil {
		method, body = http.MethodPost, strings.NewReader(ask.Form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, ask.URL, body)
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: the request cannot be made", u.Host)
	}
	r.Header.Set("Accept", cmp.Or(ask.Accept, "application/json"))
	r.Header.Set("User-Agent", "gatehouse")
	if ask.Form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	switch {
	case ask.Bearer != "":
		r.Header.Set("Authorization", "Bearer "+ask.Bearer)
	case ask.ClientID != "":
		r.SetBasicAuth(url.QueryEscape(ask.ClientID), url.QueryEscape(ask.ClientSecret))
	}
	return r, nil
}

func host(of string) string {
	u, err := url.Parse(of)
	if err != nil {
		return ""
	}
	return u.Host
}
