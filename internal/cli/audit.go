package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/audit"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// followEvery is how often --follow looks for more.
const followEvery = 500 * time.Millisecond

type auditQuery struct {
	organization, user, action string
	since, until               string
	refused, follow            bool
	limit                      int
	output                     string
}

func auditCommand() *cobra.Command {
	var q auditQuery
	var dataDir *string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show what happened: who signed in, was refused, was let in, changed what",
		Long: `Show events of the audit log, the newest last. It is read beside a running server, from
the data directory.

Events of an organization are those of its applications and members; people who sign in do
so apart from any organization. docs/audit.md lists the actions.`,
		Example: `  gatehouse audit --user ann@acme.com --since 24h
  gatehouse audit --organization acme/acme --action 'grant.*' --refused
  gatehouse audit --follow --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := q.check(); err != nil {
				return err
			}
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error { return q.show(cmd, db) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.organization, "organization", "", "only of the Organization with this namespace/name, or ID")
	f.StringVar(&q.user, "user", "", "only by or about the person with this address, or ID")
	f.StringVar(&q.action, "action", "", "only this action, such as session.started, or a family of them, such as 'grant.*'")
	f.StringVar(&q.since, "since", "", "only from then on: a time of RFC 3339, or how long ago, such as 24h")
	f.StringVar(&q.until, "until", "", "only before then, written like --since")
	f.BoolVar(&q.refused, "refused", false, "only what was refused")
	f.BoolVar(&q.follow, "follow", false, "go on with what happens, until interrupted")
	f.IntVar(&q.limit, "limit", 100, "at most so many, the newest")
	f.StringVar(&q.output, "output", "text", "text, or json: one object a line")
	dataDir = dataDirFlag(f)
	return cmd
}

func (q *auditQuery) check() error {
	if q.limit < 1 || q.limit > 100_000 {
		return usageError("--limit: must be from 1 to 100000")
	}
	if q.follow && q.until != "" {
		return usageError("--follow and --until exclude each other")
	}
	return checkOutput(q.output)
}

// show prints what is found, and what comes after it with --follow.
func (q *auditQuery) show(cmd *cobra.Command, db *store.DB) error {
	ctx := cmd.Context()
	asked, err := q.resolve(ctx, db, time.Now())
	if err != nil {
		return err
	}
	// Before the query, so that nothing falls between it and what follows.
	newest, err := db.NewestEvent(ctx)
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	asked.Before = newest + 1
	found, err := db.FindEvents(ctx, asked)
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	p := newEventPrinter(cmd.OutOrStdout(), q.output, db)
	for i := len(found) - 1; i >= 0; i-- {
		if err := p.print(ctx, found[i]); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil || !q.follow {
		return err
	}
	return q.goOn(ctx, db, asked, newest, p)
}

// goOn prints what happens from now on, until it is interrupted.
func (q *auditQuery) goOn(ctx context.Context, db *store.DB, asked store.EventQuery, last int64, p *eventPrinter) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		newest, err := db.NewestEvent(ctx)
		if err != nil || newest == last {
			continue // a store that does not answer now does later
		}
		asked.Before, asked.Limit = newest+1, int(newest-last)
		found, err := db.FindEvents(ctx, asked)
		if err != nil {
			continue
		}
		for i := len(found) - 1; i >= 0; i-- {
			if found[i].ID > last {
				if err := p.print(ctx, found[i]); err != nil {
					return err
				}
			}
		}
		last = newest
		if err := p.flush(); err != nil {
			return err
		}
	}
}

// resolve finds what the flags name.
func (q *auditQuery) resolve(ctx context.Context, db *store.DB, now time.Time) (asked store.EventQuery, err error) {
	asked = store.EventQuery{Action: q.action, Limit: q.limit}
	if q.refused {
		asked.Outcome = "refused"
	}
	if asked.Since, err = momentOf("--since", q.since, now); err != nil {
		return asked, err
	}
	if asked.Until, err = momentOf("--until", q.until, now); err != nil {
		return asked, err
	}
	if asked.OrganizationID, err = organizationID(ctx, db, q.organization); err != nil {
		return asked, err
	}
	if asked.Of = q.user; strings.Contains(q.user, "@") {
		u, err := db.UserByEmail(ctx, people.Address(q.user))
		if errors.Is(err, store.ErrNotFound) {
			return asked, fmt.Errorf("--user: nobody signs in here with %s; `gatehouse user list` shows IDs", q.user)
		}
		if err != nil {
			return asked, fmt.Errorf("find the person: %w", err)
		}
		asked.Of = u.ID
	}
	return asked, nil
}

// moment reads a time, or how long ago it is.
func momentOf(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usageError("%s: %q is neither a time like 2026-01-31T00:00:00Z nor a duration like 24h", flag, text)
	}
	return at, nil
}

// eventPrinter prints events as lines.
type eventPrinter struct {
	lines *json.Encoder // nil: a table
	table *tabwriter.Writer
	db    *store.DB
	names map[string]string // of people, by ID
}

func newEventPrinter(w io.Writer, output string, db *store.DB) *eventPrinter {
	if output == "json" {
		return &eventPrinter{lines: json.NewEncoder(w)}
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "TIME\tACTION\tOUTCOME\tACTOR\tTARGET\tIP\tREASON")
	return &eventPrinter{table: table, db: db, names: map[string]string{}}
}

func (p *eventPrinter) print(ctx context.Context, ev store.Event) error {
	if p.lines != nil {
		return p.lines.Encode(audit.Show(ev))
	}
	actor, err := p.called(ctx, ev.Actor)
	if err != nil {
		return err
	}
	target, err := p.called(ctx, ev.Target)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ev.Time.UTC().Format(time.RFC3339), printable(ev.Action), ev.Outcome,
		orDash(actor), orDash(target), orDash(ev.IP), orDash(printable(ev.Reason)))
	return err
}

func (p *eventPrinter) flush() error {
	if p.table == nil {
		return nil
	}
	return p.table.Flush()
}

// called is the address of a person who is still there, else what stands in the event.
func (p *eventPrinter) called(ctx context.Context, id string) (string, error) {
	if !strings.HasPrefix(id, "usr_") {
		return printable(id), nil
	}
	if name, known := p.names[id]; known {
		return name, nil
	}
	u, err := p.db.User(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("find who acted: %w", err)
	}
	p.names[id] = id
	if u.Email != "" {
		p.names[id] = printable(u.Email)
	}
	return p.names[id], nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
