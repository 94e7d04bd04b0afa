package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// webhookTimeout bounds one delivery.
const webhookTimeout = 10 * time.Second

// LeastSecret is the least length of a webhook's secret, in bytes.
const LeastSecret = 24

// Webhook is a Teller that posts events as {"events": […]}. Every delivery is signed as
// Standard Webhooks 1.0 has it: webhook-id, which a repeated delivery has again,
// webhook-timestamp in seconds, and webhook-signature over both and the body.
type Webhook struct {
	url    string
	secret model.Sensitive
	client *http.Client
	now    func() time.Time
}

// NewWebhook makes a Webhook. The URL is the operator's: unlike one of a declaration it may
// lead anywhere. With roots nil the system's are used.
func NewWebhook(to string, secret model.Sensitive, tlsConfig *tls.Config, now func() time.Time) *Webhook {
	return &Webhook{to, secret, &http.Client{
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: tlsConfig, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
	}, now}
}

// Tell implements Teller. What the receiver answers is in no error: only its status is.
func (w *Webhook) Tell(ctx context.Context, events []Event) error {
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return fmt.Errorf("write audit events: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("post audit events: the URL cannot be used")
	}
	id := fmt.Sprintf("audit_%d_%d", events[0].ID, events[len(events)-1].ID)
	at := strconv.FormatInt(w.now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "gatehouse")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+w.sign(id, at, body))
	answer, err := w.client.Do(r)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) { // it repeats the URL, which may be secret
			err = wrapped.Err
		}
		return fmt.Errorf("post audit events: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is used again
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("post audit events: the answer is %d, not 2xx", answer.StatusCode)
	}
	return nil
}

func (w *Webhook) sign(id, at string, body []byte) string {
	mac := hmac.New(sha256.New, w.secret.Reveal())
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
