package cli

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userFactorsCommand(dataDir *string) *cobra.Command {
	var reset, yes bool
	var output string
	cmd := &cobra.Command{
		Use:   "factors EMAIL",
		Short: "List the second factors of a person, or remove them all",
		Long: `List what a person signs in with besides the password, or in its place: authenticator
apps (totp), security keys and passkeys (webauthn), and how many recovery codes are left;
or, with --reset, remove all of it and end the person's sessions. Devices that the person
has approved stay signed in.

A key is blocked when its counter went back: somebody may have copied it. A passkey that
signs in alone is marked so.

Reset for somebody who has lost all of it with the recovery codes, and whom you know to be
that person as surely as when the account was made: from then on the password alone signs
in, until a factor is added again. It is in the audit log.`,
		Example: `  gatehouse user factors ann@acme.com
  gatehouse user factors ann@acme.com --reset`,
		Args: oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if yes && !reset {
				return usageError("--yes is for --reset")
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			return withUser(cmd.Context(), *dataDir, args[0], func(db *store.DB, u store.User) error {
				if reset {
					return resetFactors(cmd, db, u, yes)
				}
				return listFactors(cmd.Context(), cmd.OutOrStdout(), db, u, output)
			})
		},
	}
	cmd.Flags().BoolVar(&reset, "reset", false, "remove all second factors and recovery codes, and end all sessions")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func resetFactors(cmd *cobra.Command, db *store.DB, u store.User, yes bool) error {
	if !u.SecondFactor {
		return fmt.Errorf("%s has no second factor; nothing was removed", u.Email)
	}
	if !yes {
		err := confirm(cmd, u.Email, "remove the second factors of "+u.Email)
		if err != nil {
			return err
		}
	}
	n, err := db.ResetFactors(cmd.Context(), u.ID, operatorAct("factors.reset", u.ID))
	if err != nil {
		return fmt.Errorf("reset second factors of %s: %w", u.Email, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed %d of %s, who is signed out everywhere\n", n, u.Email)
	return nil
}

// factorRow is a factor as it is shown.
type factorRow struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Name     string    `json:"name"`
	Added    time.Time `json:"addedAt"`
	LastUsed time.Time `json:"lastUsedAt"`
	// Of keys alone:
	Passwordless bool       `json:"passwordless,omitempty"` // it signs in alone
	Blocked      *time.Time `json:"blockedAt,omitempty"`
}

// state is what there is to know of a factor besides its kind.
func (r factorRow) state() string {
	switch {
	case r.Blocked != nil:
		return "blocked"
	case r.Passwordless:
		return "alone"
	}
	return "-"
}

func rowOf(f store.Factor) factorRow {
	r := factorRow{
		ID: f.ID, Kind: string(f.Kind), Name: f.Name, Added: f.CreatedAt, LastUsed: f.LastUsedAt,
		Passwordless: f.Key.UserVerified && f.Key.BlockedAt.IsZero(),
	}
	if !f.Key.BlockedAt.IsZero() {
		r.Blocked = &f.Key.BlockedAt
	}
	return r
}

func listFactors(ctx context.Context, w io.Writer, db *store.DB, u store.User, output string) error {
	all, err := db.Factors(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("list second factors of %s: %w", u.Email, err)
	}
	left, err := db.RecoveryCodesLeft(ctx, u.ID)
	if err != nil {
		return fmt.Errorf("count recovery codes of %s: %w", u.Email, err)
	}
	rows := make([]factorRow, len(all))
	for i, f := range all {
		rows[i] = rowOf(f)
	}
	if output == "json" {
		return printJSON(w, struct {
			Factors []factorRow `json:"factors"`
			Codes   int         `json:"recoveryCodesLeft"`
		}{rows, left})
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tSTATE\tADDED\tLAST USE\tNAME")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Kind, r.state(), r.Added.Format(time.RFC3339), r.LastUsed.Format(time.RFC3339), printable(r.Name))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "recovery codes left: %d\n", left)
	return nil
}
