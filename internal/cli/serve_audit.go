package cli

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/audit"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const day = 24 * time.Hour

// auditOptions say what happens to the audit log besides being kept.
type auditOptions struct {
	stdout     bool
	webhook    string
	secretFile string
	retention  time.Duration
}

func (o *auditOptions) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.stdout, "audit-stdout", false, "write every audit event to standard output, as a line of JSON")
	f.StringVar(&o.webhook, "audit-webhook", "", "https URL that every audit event is posted to, at least once (docs/audit.md)")
	f.StringVar(&o.secretFile, "audit-webhook-secret-file", "", "file with the secret that signs what is posted to --audit-webhook, at least 24 characters")
	f.DurationVar(&o.retention, "audit-retention", 400*day, "how long audit events are kept; 0: for ever")
}

func (o *auditOptions) check() error {
	if o.retention < 0 || o.retention > 0 && o.retention < day {
		return usageError("--audit-retention: %s is less than a day; give at least 24h, or 0 for ever", o.retention)
	}
	if (o.webhook == "") != (o.secretFile == "") {
		return usageError("--audit-webhook and --audit-webhook-secret-file: give both, or neither")
	}
	if o.webhook == "" {
		return nil
	}
	u, err := url.Parse(o.webhook)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return usageError("--audit-webhook: must be an https URL without a user name; http only to this machine")
	}
	return nil
}

// followers are those that the options ask for.
func (o *auditOptions) followers(db *store.DB, stdout io.Writer, log *slog.Logger) (all []audit.Follower, err error) {
	if o.stdout {
		all = append(all, audit.Follower{Name: "stdout", Log: db, Teller: audit.Lines{To: stdout}, Report: log})
	}
	if o.webhook == "" {
		return all, nil
	}
	secret, err := os.ReadFile(o.secretFile)
	if err != nil {
		return nil, fmt.Errorf("--audit-webhook-secret-file: %w", err)
	}
	if secret = bytes.TrimSpace(secret); len(secret) < audit.LeastSecret {
		return nil, usageError("--audit-webhook-secret-file: the secret has %d characters; use at least %d", len(secret), audit.LeastSecret)
	}
	hook := audit.NewWebhook(o.webhook, model.NewSensitive(secret), &tls.Config{MinVersion: tls.VersionTLS12}, time.Now)
	return append(all, audit.Follower{Name: "webhook", Log: db, Teller: hook, Report: log}), nil
}
