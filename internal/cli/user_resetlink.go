package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userResetLinkCommand(dataDir *string) *cobra.Command {
	var issuer string
	cmd := &cobra.Command{
		Use:   "reset-link EMAIL",
		Short: "Print a link with which a person chooses a new password",
		Long: `Print a link with which a person chooses a new password: once, within an hour. Give it to
that person alone, over a way that you trust; an earlier link stops working. You never see
the password.

Using the link signs the person out everywhere and ends what acts for them.`,
		Example: `  gatehouse user reset-link ann@acme.com --issuer https://auth.example.com`,
		Args:    oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			// The link is as good as a password: it must not go where others listen.
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
				u, err := findUser(cmd.Context(), db, args[0])
				if err != nil {
					return err
				}
				link, err := people.NewResetLink(cmd.Context(), db, keys.LookupKey(), u.ID, operatorAct("user.reset-link-created", u.ID))
				if errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("%s is disabled; `gatehouse user enable %s` first", u.Email, u.Email)
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s/reset/?link=%s\n", strings.TrimSuffix(issuer, "/"), link)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&issuer, "issuer", "", "public URL of the server, as gatehouse serve has it")
	return cmd
}
