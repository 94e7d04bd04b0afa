package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userInviteCommand(dataDir *string) *cobra.Command {
	var issuer, organization string
	cmd := &cobra.Command{
		Use:   "invite EMAIL",
		Short: "Print a link with which somebody becomes a member of an organization",
		Long: `Print a link with which somebody becomes a member of an organization: once, within seven
days. Give it to that person; an earlier link to them for the same organization stops working.

Whoever uses the link becomes the member, with the account that they are signed in with. It
proves no address and connects no way to sign in. A member holds the default Roles of the
organization, and those that name them; no command gives others.`,
		Example: `  gatehouse user invite ann@acme.com --organization acme/acme --issuer https://auth.example.com`,
		Args:    oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if organization == "" {
				return usageError("--organization: missing; give the Organization as namespace/name")
			}
			if issuer == "" {
				return usageError("--issuer: missing; give the URL that the server has as --issuer, such as https://auth.example.com")
			}
			if err := login.CheckIssuer(issuer); err != nil {
				return usageError("--issuer: %v", err)
			}
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error {
				keys, err := readKeyring(cmd.Context(), *dataDir, db)
				if err != nil {
					return err
				}
				id, err := organizationID(cmd.Context(), db, organization)
				if err != nil {
					return err
				}
				link, err := people.Invite(cmd.Context(), db, keys.LookupKey(), id, args[0], operatorAct("member.invited", ""))
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s/invitation/?link=%s\n", strings.TrimSuffix(issuer, "/"), link)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&issuer, "issuer", "", "public URL of the server, as gatehouse serve has it")
	cmd.Flags().StringVar(&organization, "organization", "", "the Organization, as namespace/name or ID")
	return cmd
}

// organizationID finds an Organization that is or was served, by namespace/name or ID. A name
// without its namespace is refused: as an ID it would be nobody's, and an invitation to it
// would be worth nothing. Nothing stays nothing.
func organizationID(ctx context.Context, db *store.DB, named string) (id string, err error) {
	if named == "" {
		return "", nil
	}
	if namespace, name, ok := strings.Cut(named, "/"); ok {
		id, err = db.ObjectNamed(ctx, "Organization", namespace, name)
	} else {
		var found store.Object
		if found, err = db.Object(ctx, named); err == nil && found.Kind != "Organization" {
			err = store.ErrNotFound
		}
		id = found.UID
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("--organization: no Organization %s was ever served here; write it as namespace/name", named)
	}
	if err != nil {
		return "", fmt.Errorf("find the organization: %w", err)
	}
	return id, nil
}

func userInvitationsCommand(dataDir *string) *cobra.Command {
	var organization, revoke, output string
	cmd := &cobra.Command{
		Use:   "invitations",
		Short: "List invitations that nobody has used yet, or revoke one",
		Example: `  gatehouse user invitations --organization acme/acme
  gatehouse user invitations --revoke inv_0123456789abcdefghijkl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("revoke") && revoke == "" {
				return usageError("--revoke: missing; give the ID that `gatehouse user invitations` lists")
			}
			if err := checkOutput(output); err != nil {
				return err
			}
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error {
				if revoke != "" {
					return revokeInvitation(cmd, db, revoke)
				}
				id, err := organizationID(cmd.Context(), db, organization)
				if err != nil {
					return err
				}
				return listInvitations(cmd.Context(), cmd.OutOrStdout(), db, id, output)
			})
		},
	}
	cmd.Flags().StringVar(&organization, "organization", "", "only to this Organization, as namespace/name or ID")
	cmd.Flags().StringVar(&revoke, "revoke", "", "revoke the invitation with this ID")
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func revokeInvitation(cmd *cobra.Command, db *store.DB, id string) error {
	err := db.EndInvitation(cmd.Context(), id, operatorAct("invitation.revoked", id))
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no invitation %q; see `gatehouse user invitations`", id)
	}
	if err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "revoked %s\n", id)
	return nil
}

// invitationRow is an invitation as it is shown: never what its link carries.
type invitationRow struct {
	ID           string    `json:"id"`
	Email        string    `json:"email"`
	Organization string    `json:"organization"`
	InvitedBy    string    `json:"invitedBy"`
	Expires      time.Time `json:"expiresAt"`
}

func listInvitations(ctx context.Context, w io.Writer, db *store.DB, organizationID, output string) error {
	found, err := db.Invitations(ctx, organizationID)
	if err != nil {
		return fmt.Errorf("list invitations: %w", err)
	}
	now, rows := time.Now(), []invitationRow{}
	for _, i := range found {
		if !now.Before(i.ExpiresAt) {
			continue // it was not swept yet
		}
		name, err := providerName(ctx, db, i.OrganizationID)
		if err != nil {
			return err
		}
		rows = append(rows, invitationRow{i.ID, i.Email, name, i.InvitedBy, i.ExpiresAt})
	}
	if output == "json" {
		return printJSON(w, rows)
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ID\tEMAIL\tORGANIZATION\tINVITED BY\tEXPIRES")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Email, r.Organization, r.InvitedBy, r.Expires.Format(time.RFC3339))
	}
	return table.Flush()
}
