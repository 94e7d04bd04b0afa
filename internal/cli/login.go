package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-dev/gatehouse/internal/login"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Exit codes of the commands of a person who signs in, beside those of every command.
const (
	exitSignIn      = 3   // somebody must run `gatehouse login` first
	exitInterrupted = 130 // by Ctrl-C, as shells count it
)

type loginOptions struct {
	issuer, clientID, store string
	scopes                  []string
	qr                      bool
}

func loginCommand() *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in from this terminal, with a browser anywhere",
		Long: `Sign in to an authorization server as a person. The command prints a code and where to
enter it; you approve in a browser, on this or any other device. What came of it is kept
for gatehouse token, whoami and logout.

Without --scope the login may do all that the application may ask for and your Roles give
you. With it, no more than that. Either way it asks for what the server offers of openid,
profile, email, groups and offline_access.

The tokens are kept in the keyring of this system if one answers, else in a file that only
you can read. Logins to other servers, or with other client IDs, stay beside this one. The
newest is what the other commands use without --issuer and --client-id; login itself
renews it.`,
		Example: `  gatehouse login --issuer https://auth.example.com --client-id acme.cli
  gatehouse login --scope project:read`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, err := loginBook()
			if err != nil {
				return err
			}
			if err := o.complete(book); err != nil {
				return err
			}
			err = signIn(cmd, book, o)
			if errors.Is(err, context.Canceled) {
				return &exitError{exitInterrupted, errors.New("stopped; nobody was signed in")}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.issuer, "issuer", "", "URL of the authorization server; default: that of the newest login")
	f.StringVar(&o.clientID, "client-id", "", "client ID of an ApiApplication of type Device; default: that of the newest login")
	f.StringArrayVar(&o.scopes, "scope", nil, "what the login may do, as org:read,project:read; default: all that the application may ask for")
	f.StringVar(&o.store, "store", "auto", "where the tokens are kept: keyring, file, or auto (the keyring if it answers)")
	f.BoolVar(&o.qr, "qr", true, "show a QR code, on a terminal that has colours")
	return cmd
}

// complete takes from the newest login what is not given, and refuses what cannot be right.
func (o *loginOptions) complete(book *login.Book) error {
	if o.store != "auto" && o.store != login.InKeyring && o.store != login.InFile {
		return usageError("--store: %q is neither keyring, file nor auto", o.store)
	}
	if o.issuer == "" || o.clientID == "" {
		last, err := book.Find(o.issuer, o.clientID)
		switch {
		case errors.Is(err, login.ErrNone) && o.issuer == "":
			return usageError("--issuer: missing; give the URL of the authorization server, such as https://auth.example.com")
		case errors.Is(err, login.ErrNone):
			return usageError("--client-id: missing; give the client ID of an ApiApplication of type Device")
		case err != nil:
			return err
		}
		o.issuer, o.clientID = last.Issuer, last.ClientID
	}
	if err := login.CheckIssuer(o.issuer); err != nil {
		return usageError("--issuer: %w", err)
	}
	if _, ok := o.asked(); !ok {
		return usageError("--scope: %q is malformed; write --scope org:read,project:read", o.scopes)
	}
	return nil
}

// asked are the scopes of all --scope, separated by commas or spaces.
func (o *loginOptions) asked() (scopes oauth.ScopeSet, ok bool) {
	return oauth.ParseScope(strings.ReplaceAll(strings.Join(o.scopes, " "), ",", " "))
}

func signIn(cmd *cobra.Command, book *login.Book, o loginOptions) error {
	ctx, client := cmd.Context(), loginClient(o.issuer, o.clientID)
	// Where to keep it is settled first: an approval must not come to nothing.
	store, why, err := chooseStore(ctx, o.store)
	if err != nil {
		return err
	}
	m, err := client.Discover(ctx)
	if err != nil {
		return err
	}
	scopes, _ := o.asked()
	device, err := client.Begin(ctx, m, scopes)
	if err != nil {
		return curedRefusal(err, o)
	}
	invite(cmd.ErrOrStderr(), device, client.Now(), o.qr)
	tokens, err := client.Await(ctx, m, device)
	var refused *login.Refusal
	switch {
	case errors.Is(err, login.ErrDenied):
		return fmt.Errorf("%w; nobody was signed in", err)
	case errors.Is(err, login.ErrExpired), errors.As(err, &refused): // the second: such as a code that is used up, because its answer got lost
		return fmt.Errorf("%w; run `gatehouse login` again", err)
	case err != nil:
		return err
	}
	l := login.Login{Issuer: o.issuer, ClientID: o.clientID, Store: store, At: client.Now().UTC()}
	before, err := book.Add(context.WithoutCancel(ctx), l, tokens)
	if err != nil {
		return err
	}
	said := cmd.OutOrStdout()
	fmt.Fprintf(said, "Signed in as %s.\n", who(tokens.Person, tokens.Organization))
	fmt.Fprintln(said, keptIn(book, l)+why)
	if tokens.Refresh == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "gatehouse: the application has no refresh token: this login ends at %s\n", tokens.AccessExpires.Local().Format(time.RFC3339))
	}
	if err := client.Revoke(ctx, m, before); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "gatehouse: the login before this one is forgotten here, but not ended at the server: %v\n", err)
	}
	return nil
}

// curedRefusal adds the cure to what a newcomer runs into first.
func curedRefusal(err error, o loginOptions) error {
	var refused *login.Refusal
	if !errors.As(err, &refused) {
		return err
	}
	switch refused.Code {
	case oauth.InvalidClient:
		return fmt.Errorf("%w; check --client-id %s: it must be a public ApiApplication of type Device that is Ready", err, o.clientID)
	case oauth.UnauthorizedClient:
		return fmt.Errorf("%w; --client-id %s must be an ApiApplication of type Device", err, o.clientID)
	case oauth.InvalidScope:
		return fmt.Errorf("%w; check --scope", err)
	}
	return err
}

// chooseStore settles where tokens are kept, and why if it is not what one would expect.
func chooseStore(ctx context.Context, wish string) (store, why string, err error) {
	if wish == login.InFile {
		return login.InFile, "", nil
	}
	patience := keyringPatience
	if wish == "auto" {
		patience = probePatience
	}
	err = login.SystemKeyring{Patience: patience}.Answers(ctx)
	switch {
	case err == nil:
		return login.InKeyring, "", nil
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case wish == "auto":
		return login.InFile, "\nNo keyring answers: " + printable(err.Error()) + ".", nil
	}
	return "", "", fmt.Errorf("--store keyring: %w; use --store file to keep the tokens in a file that only you can read", err)
}

// keptIn says where the secrets of a login are.
func keptIn(book *login.Book, l login.Login) string {
	if l.Store == login.InKeyring {
		return "Kept in the keyring of this system."
	}
	return "Kept in " + book.Path(l)
}

// invite tells the person what to do. The code is shown even beside an address that has it
// in it, to be compared (RFC 8628 section 3.3.1).
func invite(w io.Writer, d login.Device, now time.Time, qr bool) {
	fmt.Fprintf(w, "\n  Open     %s\n  enter    %s\n", d.Page, d.UserCode)
	if d.PageAndCode != "" {
		fmt.Fprintf(w, "\n  or open  %s\n", d.PageAndCode)
		if columns := colourColumns(w); qr && columns > 0 {
			if picture := drawQR(d.PageAndCode, columns); picture != "" {
				fmt.Fprintf(w, "  or scan\n\n%s", picture)
			}
		}
	}
	fmt.Fprintf(w, "\nApprove only if the page shows this code.\nIt is good for %s; Ctrl-C stops.\n\n", minutes(d.Expires.Sub(now)))
}

func minutes(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()+0.5))
}

// colourColumns is how wide the terminal is, 0 for what is none or shows no colours
// (no-color.org).
func colourColumns(w io.Writer) int {
	f, isFile := w.(*os.File)
	if !isFile || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns == 0 {
		return 80
	}
	return columns
}
