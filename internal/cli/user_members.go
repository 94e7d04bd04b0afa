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

func userMembersCommand(dataDir *string) *cobra.Command {
	var organization, remove, output string
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List who was let in to an organization besides those whom its Roles name, or remove one",
		Long: `List who is a member of an organization because they accepted an invitation or signed in by
the organization's own AuthProvider, or remove one of them. Removing ends what they opened
there at once: grants, codes, consents, and invitations to them and by them. Who signs in by
the organization's own provider again is a member again: remove them there first.

Whom a Role names is not listed, for no command changes it; ` + "`gatehouse graph`" + ` shows them. Whom
nobody has let in yet ` + "`gatehouse user invitations`" + ` lists.`,
		Example: `  gatehouse user members --organization acme/acme
  gatehouse user members --organization acme/acme --remove ann@acme.com`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if organization == "" {
				return usageError("--organization: missing; give the Organization as namespace/name")
			}
			if cmd.Flags().Changed("remove") && remove == "" {
				return usageError("--remove: missing; give the address or the ID of a member")
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error {
				id, err := organizationID(cmd.Context(), db, organization)
				if err != nil {
					return err
				}
				if remove != "" {
					return removeMember(cmd, db, id, organization, remove)
				}
				return listMembers(cmd.Context(), cmd.OutOrStdout(), db, id, output)
			})
		},
	}
	cmd.Flags().StringVar(&organization, "organization", "", "the Organization, as namespace/name or ID")
	cmd.Flags().StringVar(&remove, "remove", "", "remove the member with this address or ID")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func removeMember(cmd *cobra.Command, db *store.DB, organizationID, organization, named string) error {
	u, err := findUser(cmd.Context(), db, named)
	if err != nil {
		return err
	}
	ev := operatorAct("member.removed", u.ID)
	ev.OrganizationID = organizationID
	err = db.RemoveMember(cmd.Context(), u.ID, organizationID, ev)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%s was not let in to %s; see `gatehouse user members`, and for those whom a Role names `gatehouse graph`", shownName(u), organization)
	}
	if err != nil {
		return fmt.Errorf("remove %s from %s: %w", shownName(u), organization, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "removed %s from %s\n", shownName(u), organization)
	return nil
}

// memberRow is a membership as it is shown.
type memberRow struct {
	ID       string    `json:"id"`
	Email    string    `json:"email"`
	Name     string    `json:"name"`
	State    string    `json:"state"`
	How      string    `json:"how"` // invitation, provider
	Provider string    `json:"provider,omitempty"`
	Since    time.Time `json:"createdAt"`
}

func listMembers(ctx context.Context, w io.Writer, db *store.DB, organizationID, output string) error {
	found, err := db.Members(ctx, organizationID)
	if err != nil {
		return fmt.Errorf("list members: %w", err)
	}
	rows := []memberRow{}
	for _, m := range found {
		u, err := db.User(ctx, m.UserID)
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return fmt.Errorf("read member: %w", err)
		}
		row := memberRow{ID: u.ID, Email: u.Email, Name: u.Name, State: userState(u), How: "invitation", Since: m.At}
		if m.ProviderUID != "" {
			row.How = "provider"
			if row.Provider, err = providerName(ctx, db, m.ProviderUID); err != nil {
				return err
			}
		}
		rows = append(rows, row)
	}
	if output == "json" {
		return printJSON(w, rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "EMAIL\tNAME\tSTATE\tBY\tSINCE\tID")
	for _, r := range rows {
		by := r.How
		if r.Provider != "" {
			by += " " + r.Provider
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(r.Email), printable(r.Name), r.State, by, r.Since.UTC().Format(time.DateOnly), r.ID)
	}
	return table.Flush()
}
