// Package cli is the command line: the only package that knows all the others. One file a
// command; this one has what they share. A command prints its result to stdout and
// everything else to stderr, and never a secret that it was given.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes of every command.
const (
	exitOK       = 0
	exitFindings = 1 // the command did its work and the answer is no
	exitUsage    = 2 // the command line or an input cannot be understood
)

// exitError ends the process with a code of its own.
type exitError struct {
	code int
	err  error // printed; nil: everything has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(format string, a ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, a...)}
}

// Main runs one command and returns the process's exit code. SIGINT and SIGTERM end the
// command's context; a second one ends the process.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitFindings, err}
	}
	if message := exit.Error(); message != "" {
		fmt.Fprintln(stderr, "gatehouse: "+message)
	}
	return exit.code
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "Sign-in and access on Kubernetes, declared as resources",
		Long: `Gatehouse turns four kinds of resources (Organization, ApiApplication, Role,
AuthProvider) into a running OAuth 2.0 authorization server.

  gatehouse validate DIR                     check declarations, offline
  gatehouse plan OLD NEW                     who gains or loses what by a change
  gatehouse graph DIR                        who can do what, and why
  gatehouse serve --manifests DIR --dev      try them on this machine
  gatehouse serve --issuer https://…         serve what the cluster declares
  gatehouse login --issuer https://…         sign in to a server as a person

Every flag can also be set in the environment: --data-dir is GATEHOUSE_DATA_DIR.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return flagsFromEnvironment(cmd.Flags()) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(serveCommand(), validateCommand(), planCommand(), graphCommand(), userCommand(), keysCommand(), auditCommand(), storeCommand(), adoptCommand(), versionCommand(),
		loginCommand(), whoamiCommand(), tokenCommand(), logoutCommand())
	return root
}

// flagsFromEnvironment sets every flag that the command line does not from GATEHOUSE_….
func flagsFromEnvironment(flags *pflag.FlagSet) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, set := os.LookupEnv(name)
		if !set || f.Changed || wrong != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			wrong = usageError("%s: %w", name, err)
		}
	})
	return wrong
}

// noArguments refuses arguments with a message that shows them.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s takes no arguments, got %q; see `%s --help`", cmd.CommandPath(), args, cmd.CommandPath())
	}
	return nil
}
