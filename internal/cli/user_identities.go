package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userIdentitiesCommand(dataDir *string) *cobra.Command {
	var provider, subject, output string
	cmd := &cobra.Command{
		Use:   "identities EMAIL|ID",
		Short: "List the ways in which a person signs in elsewhere, or disconnect one",
		Long: `List the identities of a person at the providers that they sign in with, or disconnect one.

A person is named by the address that they sign in with here, or by the ID that gatehouse
user list shows. What was opened by an identity ends with it: sessions, grants, and a
membership that its provider gave. The last way into an account stays.`,
		Example: `  gatehouse user identities ann@acme.com
  gatehouse user identities ann@acme.com --unlink 7d0c4a0e-0000-4000-8000-000000000001 --subject 4711`,
		Args: oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (provider == "") != (subject == "") {
				return usageError("--unlink and --subject go together; `gatehouse user identities %s` lists both", args[0])
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			return withUser(cmd.Context(), *dataDir, args[0], func(db *store.DB, u store.User) error {
				if provider != "" {
					return unlinkIdentity(cmd, db, u, provider, subject)
				}
				return listIdentities(cmd.Context(), cmd.OutOrStdout(), db, u, output)
			})
		},
	}
	cmd.Flags().StringVar(&provider, "unlink", "", "disconnect the identity at the provider with this ID")
	cmd.Flags().StringVar(&subject, "subject", "", "the subject of the identity to disconnect")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func unlinkIdentity(cmd *cobra.Command, db *store.DB, u store.User, provider, subject string) error {
	ev := operatorAct("identity.unlinked", u.ID)
	err := db.UnlinkIdentity(cmd.Context(), u.ID, provider, subject, ev)
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("%s has no such identity, or it is the only way into the account; see `gatehouse user identities %s`", shownName(u), u.ID)
	}
	if err != nil {
		return fmt.Errorf("disconnect an identity of %s: %w", shownName(u), err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "disconnected from %s\n", shownName(u))
	return nil
}

// shownName is how a person is named who may have no address.
func shownName(u store.User) string {
	if u.Email == "" {
		return u.ID
	}
	return u.Email
}

// identityRow is an identity as it is shown.
type identityRow struct {
	Provider    string    `json:"provider"`
	ProviderUID string    `json:"providerUID"`
	Subject     string    `json:"subject"`
	Email       string    `json:"email"`
	Proven      bool      `json:"emailProven"`
	Created     time.Time `json:"createdAt"`
	LastUsed    time.Time `json:"lastUsedAt"`
}

func listIdentities(ctx context.Context, w io.Writer, db *store.DB, u store.User, output string) error {
	rows := []identityRow{}
	for _, i := range u.Identities {
		name, err := providerName(ctx, db, i.ProviderUID)
		if err != nil {
			return err
		}
		rows = append(rows, identityRow{name, i.ProviderUID, i.Subject, i.Email, !i.EmailProvenAt.IsZero(), i.CreatedAt, i.LastUsedAt})
	}
	if output == "json" {
		return printJSON(w, rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PROVIDER\tID\tSUBJECT\tEMAIL\tCONNECTED\tLAST USE")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Provider, r.ProviderUID, printable(r.Subject), printable(r.Email),
			r.Created.Format(time.RFC3339), r.LastUsed.Format(time.RFC3339))
	}
	return table.Flush()
}
