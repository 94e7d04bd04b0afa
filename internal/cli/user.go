package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// maxPasswordBytes bounds what is read from stdin; the policy's own limit is lower.
const maxPasswordBytes = 4 << 10

func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Create, import, list, disable, enable, unlock and delete people; end sessions, reset passwords and second factors",
		Long: `Work on the people in the store of a data directory. A server that uses the same
directory may be running: it sees every change within a second.

What a person may do is not decided here but by the Roles that name their address.`,
		Example: `  gatehouse user create ann@acme.com --data-dir /var/lib/gatehouse
  echo "$PASSWORD" | gatehouse user create ann@acme.com --password-stdin`,
	}
	dataDir := dataDirFlag(cmd.PersistentFlags())
	cmd.AddCommand(userCreateCommand(dataDir), userListCommand(dataDir),
		userDisableCommand(dataDir), userEnableCommand(dataDir),
		userSessionsCommand(dataDir), userFactorsCommand(dataDir), userResetLinkCommand(dataDir), userIdentitiesCommand(dataDir), userUnlockCommand(dataDir),
		userInviteCommand(dataDir), userInvitationsCommand(dataDir), userMembersCommand(dataDir), userDeleteCommand(dataDir), userImportCommand(dataDir))
	return cmd
}

func userCreateCommand(dataDir *string) *cobra.Command {
	var name string
	var fromStdin bool
	cmd := &cobra.Command{
		Use:   "create EMAIL",
		Short: "Create a person who signs in with a password",
		Long: `Create a person who signs in with an address and a password. The address counts as
proven, by you. The password is asked for, or read from stdin with --password-stdin (one
line; its line end is not part of it); it is never an argument. It must satisfy the Local
AuthProvider that was served last; before the first one: 12 characters, not a common one.`,
		Example: `  gatehouse user create ann@acme.com --name "Ann Lee"`,
		Args:    oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd, fromStdin)
			if err != nil {
				return err
			}
			return withStore(cmd.Context(), *dataDir, true, func(db *store.DB) error {
				policy, err := passwordPolicy(cmd.Context(), db)
				if err != nil {
					return err
				}
				u, err := people.Create(cmd.Context(), db, people.NewUser{
					Email: args[0], Name: name, Password: password, Policy: policy, By: "operator", Now: time.Now(),
				})
				if errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("%s already exists; see `gatehouse user list`", args[0])
				}
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "created %s (%s)\n", u.Email, u.ID)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "name shown to others; default: the address")
	cmd.Flags().BoolVar(&fromStdin, "password-stdin", false, "read the password from stdin")
	return cmd
}

func userListCommand(dataDir *string) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List people",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			return withStore(cmd.Context(), *dataDir, false, func(db *store.DB) error {
				users, err := db.Users(cmd.Context())
				if err != nil {
					return fmt.Errorf("list people: %w", err)
				}
				if output == "json" {
					return printUsersJSON(cmd.OutOrStdout(), users)
				}
				return printUsers(cmd.OutOrStdout(), users)
			})
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func userDisableCommand(dataDir *string) *cobra.Command {
	return userStateCommand(dataDir, "disable", true, "Disable a person: ends their sessions and tokens at once", "user.disabled")
}

func userEnableCommand(dataDir *string) *cobra.Command {
	return userStateCommand(dataDir, "enable", false, "Let a disabled person sign in again; what was ended stays ended", "user.enabled")
}

func userStateCommand(dataDir *string, verb string, disabled bool, short, action string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " EMAIL",
		Short: short,
		Args:  oneArgument("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd.Context(), *dataDir, args[0], func(db *store.DB, u store.User) error {
				if err := db.SetDisabled(cmd.Context(), u.ID, disabled, operatorAct(action, u.ID)); err != nil {
					return fmt.Errorf("%s %s: %w", verb, u.Email, err)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", strings.TrimPrefix(action, "user."), u.Email)
				return nil
			})
		},
	}
}

// findUser finds somebody by the address that they sign in with here, or by their ID: who
// signs in elsewhere alone has only that to themselves.
func findUser(ctx context.Context, db *store.DB, email string) (store.User, error) {
	var u store.User
	var err error
	if strings.HasPrefix(email, "usr_") {
		u, err = db.User(ctx, email)
	} else {
		u, err = db.UserByEmail(ctx, people.Address(email))
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.User{}, fmt.Errorf("there is no %s; see `gatehouse user list`, and give the ID of who has no password here", email)
	}
	if err != nil {
		return store.User{}, fmt.Errorf("find %s: %w", email, err)
	}
	return u, nil
}

// operatorAct is the event of an act at the command line, now.
func operatorAct(action, target string) store.Event {
	return store.Event{Time: time.Now(), Actor: "operator", Action: action, Target: target, Outcome: "ok"}
}

// passwordPolicy is that of the server that uses the store; the strictest before there was
// one.
func passwordPolicy(ctx context.Context, db *store.DB) (people.Policy, error) {
	p, err := db.PasswordPolicy(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return people.Policy{}, nil
	}
	if err != nil {
		return people.Policy{}, fmt.Errorf("read password policy: %w", err)
	}
	return people.Policy{MinLength: p.MinLength, AllowCommon: !p.CheckCommon, Context: p.Context}, nil
}

func withStore(ctx context.Context, dir string, create bool, act func(*store.DB) error) error {
	db, err := openStore(ctx, dir, create)
	if err != nil {
		return err
	}
	return errors.Join(act(db), db.Close())
}

// withUser acts on the person with this address, in the store of a data directory.
func withUser(ctx context.Context, dir, email string, act func(*store.DB, store.User) error) error {
	return withStore(ctx, dir, false, func(db *store.DB) error {
		u, err := findUser(ctx, db, email)
		if err != nil {
			return err
		}
		return act(db, u)
	})
}

func oneArgument(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError("%s takes exactly one argument, %s; see `%s --help`", cmd.CommandPath(), name, cmd.CommandPath())
		}
		return nil
	}
}

// readPassword reads the password from stdin, or asks for it twice on a terminal.
func readPassword(cmd *cobra.Command, fromStdin bool) (string, error) {
	if fromStdin {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxPasswordBytes)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read password: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
	}
	from := terminal(cmd)
	if from == nil {
		return "", usageError("no terminal to ask for the password; pipe it in with --password-stdin")
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(cmd.ErrOrStderr(), prompt)
		line, err := term.ReadPassword(int(from.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		typed[i] = string(line)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ; nothing was created")
	}
	return typed[0], nil
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usageError("--output: %q is neither text nor json", output)
	}
	return nil
}

func printUsers(w io.Writer, users []store.User) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "EMAIL\tNAME\tSTATE\tCREATED\tID")
	for _, u := range users {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", u.Email, u.Name, userState(u), u.CreatedAt.UTC().Format(time.DateOnly), u.ID)
	}
	return table.Flush()
}

func printUsersJSON(w io.Writer, users []store.User) error {
	type row struct {
		ID      string    `json:"id"`
		Email   string    `json:"email"`
		Name    string    `json:"name"`
		State   string    `json:"state"`
		Created time.Time `json:"createdAt"`
	}
	rows := make([]row, len(users))
	for i, u := range users {
		rows[i] = row{u.ID, u.Email, u.Name, userState(u), u.CreatedAt.UTC()}
	}
	return printJSON(w, rows)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func userState(u store.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "active"
}
