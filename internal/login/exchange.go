package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// Away means that the server gave no answer, or one that says to come back later. Whether it
// did what was asked is unknown.
type Away struct {
	After time.Duration // as Retry-After says; 0: it does not
	err   error
}

func (a *Away) Error() string { return a.err.Error() }
func (a *Away) Unwrap() error { return a.err }

// post sends a form for the client and decodes the answer. The error is a *Refusal, an
// *Away, or says what is wrong with the answer.
func (c *Client) post(ctx context.Context, endpoint string, form url.Values, into any) error {
	form.Set("client_id", c.ClientID)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.exchange(r, into)
}

// get reads a JSON document. Token "" sends none.
func (c *Client) get(ctx context.Context, address string, token Secret, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+string(token))
	}
	return c.exchange(r, into)
}

func (c *Client) exchange(r *http.Request, into any) error {
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.UserAgent)
	answer, err := c.HTTP.Do(r) //nolint:gosec // the person names the server; metadata.go says which endpoints are trusted
	if err != nil {
		return &Away{err: err}
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return &Away{err: fmt.Errorf("%s: the answer breaks off: %w", address(r), err)}
	case len(body) > maxAnswer:
		return fmt.Errorf("%s: the answer has more than %d bytes", address(r), maxAnswer)
	case answer.StatusCode == http.StatusOK:
		return decode(r, answer, body, into)
	case answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests:
		return &Away{After: retryAfter(answer), err: fmt.Errorf("%s answered %s", address(r), answer.Status)}
	}
	return refusalOf(r, answer, body)
}

func decode(r *http.Request, answer *http.Response, body []byte, into any) error {
	if into == nil { // a revocation's answer says all with its status (RFC 7009 section 2.2)
		return nil
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return fmt.Errorf("%s: the answer is not JSON", address(r))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: the answer cannot be understood", address(r)) // the cause may quote it
	}
	return nil
}

// statusError is an answer that is no refusal of the protocol.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func refusalOf(r *http.Request, answer *http.Response, body []byte) error {
	if to := answer.Header.Get("Location"); answer.StatusCode/100 == 3 {
		return &statusError{answer.StatusCode, fmt.Sprintf("%s redirects to %q, which is not followed", address(r), printable(to))}
	}
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) == nil && said.Error != "" {
		return &Refusal{Code: printable(said.Error), Description: printable(said.Description)}
	}
	return &statusError{answer.StatusCode, address(r) + " answered " + printable(answer.Status)}
}

func hasStatus(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// address is where a request went, without what it asked for.
func address(r *http.Request) string { return r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath() }

// retryAfter reads the header of that name, in seconds (RFC 9110 section 10.2.3).
func retryAfter(answer *http.Response) time.Duration {
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
