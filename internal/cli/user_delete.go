package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userDeleteCommand(dataDir *string) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete EMAIL",
		Short: "Delete a person for good",
		Long: `Delete a person: their sessions and tokens end at once, and address, name and password
are forgotten. This cannot be undone; gatehouse user disable can.

The ID of the person is never used again, and the audit log keeps it, without the address.
The address may be given to a new account, which inherits no session, token or ID. But
Roles name addresses: a new account with this address holds every Role that names it, so
take it out of them first.`,
		Example: `  gatehouse user delete ann@acme.com`,
		Args:    oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd.Context(), *dataDir, args[0], func(db *store.DB, u store.User) error {
				if !yes {
					if err := confirm(cmd, u.Email, "delete "+u.Email); err != nil {
						return err
					}
				}
				if err := db.DeleteUser(cmd.Context(), u.ID, operatorAct("user.deleted", u.ID)); err != nil {
					return fmt.Errorf("delete %s: %w", u.Email, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "deleted %s (%s)\n", u.Email, u.ID)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirm has the address typed once more on a terminal, before the deed is done.
func confirm(cmd *cobra.Command, email, deed string) error {
	from := terminal(cmd)
	if from == nil {
		return usageError("no terminal to ask on; give --yes to %s without being asked", deed)
	}
	typed, err := ask(cmd, from, "This will "+deed+" for good. Type the address to go on: ")
	if err != nil {
		return err
	}
	if people.Address(typed) != email {
		return errors.New("that is another address; nothing was done")
	}
	return nil
}
