package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/login"
)

func logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End a login, here and at the server",
		Long: `Revoke a login at the server, with every token that came of it, and remove what is kept
of it on this machine.

What is kept is removed also when the server cannot be reached. The command says so then
and exits with 1, because the server would still honour a copy of the tokens until they
end by themselves. Nobody being signed in is no error.`,
		Args: noArguments,
	}
	selected := whichFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := selected.open()
		if errors.Is(err, login.ErrNone) {
			fmt.Fprintln(cmd.OutOrStdout(), "Nobody was signed in.")
			return nil
		}
		if err != nil {
			return err
		}
		unrevoked, err := s.End(cmd.Context())
		if err != nil {
			return errors.Join(err, unrevoked)
		}
		if unrevoked != nil {
			return fmt.Errorf("signed out of %s here only; the server was not told, and honours copies of the tokens until they end: %w", s.Issuer, unrevoked)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Signed out of %s.\n", s.Issuer)
		return nil
	}
	return cmd
}
