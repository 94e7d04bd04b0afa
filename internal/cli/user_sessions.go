package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/sessions"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userSessionsCommand(dataDir *string) *cobra.Command {
	var end, output string
	var endAll bool
	cmd := &cobra.Command{
		Use:   "sessions EMAIL",
		Short: "List the browsers that a person is signed in with, or end sessions",
		Long: `List the sessions of a person that are in force, the last used first; or end one, or all.

A session that is ended takes the tokens with it that were granted in it. Devices that the
person has approved are no part of a session and stay signed in: gatehouse user disable
ends everything.`,
		Example: `  gatehouse user sessions ann@acme.com
  gatehouse user sessions ann@acme.com --end-all`,
		Args: oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ending := endAll || cmd.Flags().Changed("end")
			switch {
			case endAll && cmd.Flags().Changed("end"):
				return usageError("--end and --end-all exclude each other")
			case ending && !endAll && end == "":
				return usageError("--end: missing; give the ID that `gatehouse user sessions %s` lists", args[0])
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			return withUser(cmd.Context(), *dataDir, args[0], func(db *store.DB, u store.User) error {
				if ending {
					return endSessions(cmd, db, u, end)
				}
				return listSessions(cmd.Context(), cmd.OutOrStdout(), db, u, output)
			})
		},
	}
	cmd.Flags().StringVar(&end, "end", "", "end the session with this ID")
	cmd.Flags().BoolVar(&endAll, "end-all", false, "end all sessions of the person")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

// endSessions ends the session with this ID; without one, all of them.
func endSessions(cmd *cobra.Command, db *store.DB, u store.User, id string) error {
	ended, err := db.EndSessionsOf(cmd.Context(), u.ID, id, operatorAct("session.ended", ""))
	if err != nil {
		return fmt.Errorf("end sessions of %s: %w", u.Email, err)
	}
	if id != "" && ended == 0 {
		return fmt.Errorf("%s has no session %q; see `gatehouse user sessions %s`", u.Email, id, u.Email)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "ended %d of %s\n", ended, u.Email)
	return nil
}

// sessionRow is a session as it is shown.
type sessionRow struct {
	ID       string    `json:"id"`
	Started  time.Time `json:"startedAt"`
	LastUsed time.Time `json:"lastUsedAt"`
	IP       string    `json:"ip"`
	Browser  string    `json:"browser"`
	Provider string    `json:"provider"`
}

func listSessions(ctx context.Context, w io.Writer, db *store.DB, u store.User, output string) error {
	found, err := db.SessionsOf(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("list sessions of %s: %w", u.Email, err)
	}
	now, rows := time.Now(), []sessionRow{}
	for _, s := range found {
		if !sessions.InForce(s, now) {
			continue // it has ended and was not swept yet
		}
		provider, err := providerName(ctx, db, s.ProviderUID)
		if err != nil {
			return err
		}
		rows = append(rows, sessionRow{s.ID, s.CreatedAt, s.LastUsedAt, s.IP, s.UserAgent, provider})
	}
	if output == "json" {
		return printJSON(w, rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ID\tSTARTED\tLAST USE\tIP\tPROVIDER\tBROWSER")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Started.Format(time.RFC3339), r.LastUsed.Format(time.RFC3339),
			r.IP, r.Provider, printable(r.Browser))
	}
	return table.Flush()
}

// providerName is NAMESPACE/NAME of the AuthProvider, or its UID if it is not remembered.
func providerName(ctx context.Context, db *store.DB, uid string) (string, error) {
	o, err := db.Object(ctx, uid)
	if errors.Is(err, store.ErrNotFound) {
		return uid, nil
	}
	if err != nil {
		return "", fmt.Errorf("find provider: %w", err)
	}
	return o.Namespace + "/" + o.Name, nil
}

// printable makes what a browser said of itself safe for a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, text)
}
