package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userUnlockCommand(dataDir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "unlock EMAIL",
		Short: "Forget the wrong passwords and codes that hold a person's sign-in up",
		Long: `Forget the wrong passwords that were typed for a person's address, and the wrong codes of
their second factor, from wherever: the next try is free again. Whoever guesses may go on
from there too, so find out first who it was; the audit log tells from which addresses.

Nobody is locked out for good without it: from where a person has signed in before, and
with a browser that they have used before, guesses made elsewhere hold nobody up, and
elsewhere a try is free every 15 minutes at the latest. It is in the audit log.`,
		Example: `  gatehouse user unlock ann@acme.com`,
		Args:    oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error {
				keys, err := readKeyring(cmd.Context(), *dataDir, db)
				if err != nil {
					return err
				}
				u, err := findUser(cmd.Context(), db, args[0])
				if err != nil {
					return err
				}
				if err := people.Unlock(cmd.Context(), db, keys.LookupKey(), u, operatorAct("user.unlocked", u.ID)); err != nil {
					return fmt.Errorf("unlock %s: %w", u.Email, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "unlocked %s\n", u.Email)
				return nil
			})
		},
	}
}
