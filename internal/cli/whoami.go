package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/login"
)

func whoamiCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "whoami",
		Short: "Show who is signed in, where, and what they may do",
		Long: `Ask the server whom a login speaks for, and show it with the organization that it works
in, the scopes it has now and how long the access token lasts. The login goes on after
that: gatehouse token refreshes it.

Exit code 3 means that nobody is signed in, or that the login has ended.`,
		Args: noArguments,
	}
	selected := whichFlags(cmd.Flags())
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(output); err != nil {
			return err
		}
		s, err := selected.open()
		if err != nil {
			return err
		}
		t, err := s.Fresh(cmd.Context(), false)
		if err != nil {
			return signInCure(err, s.Login)
		}
		if t.Person, err = s.Whoami(cmd.Context(), t); err != nil {
			return signInCure(err, s.Login)
		}
		if output == "json" {
			return printWhoamiJSON(cmd.OutOrStdout(), s.Login, t)
		}
		return printWhoami(cmd.OutOrStdout(), s.Login, t)
	}
	return cmd
}

func printWhoami(w io.Writer, l login.Login, t login.Tokens) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, printable(value))
		}
	}
	row("person", who(t.Person, login.Organization{}))
	row("id", t.Person.ID)
	row("organization", t.Organization.Slug)
	row("scopes", strings.Join(t.Scopes, " "))
	row("token until", t.AccessExpires.Local().Format(time.RFC3339))
	row("signed in", l.At.Local().Format(time.RFC3339))
	row("issuer", l.Issuer)
	row("client id", l.ClientID)
	row("kept in", l.Store)
	return table.Flush()
}

func printWhoamiJSON(w io.Writer, l login.Login, t login.Tokens) error {
	return printJSON(w, struct {
		User         login.Person       `json:"user"`
		Organization login.Organization `json:"organization"`
		Scopes       []string           `json:"scopes"`
		Until        time.Time          `json:"accessTokenExpiresAt"`
		SignedIn     time.Time          `json:"signedInAt"`
		Issuer       string             `json:"issuer"`
		ClientID     string             `json:"clientID"`
		Store        string             `json:"store"`
	}{t.Person, t.Organization, append([]string{}, t.Scopes...), t.AccessExpires, l.At, l.Issuer, l.ClientID, l.Store})
}
