package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List and rotate the keys that sign tokens",
		Long: `Work on the keyring of a data directory or, in a cluster, on the Secret in which the keys
live: in the pod the data directory says which one, and elsewhere --cluster or --context
looks for it with the usual client configuration. A server that uses the keys may be
running: it sees every change within a second. Keys are never shown.`,
		Example: `  gatehouse keys list --data-dir /var/lib/gatehouse
  gatehouse keys rotate --data-dir /var/lib/gatehouse
  gatehouse keys rotate --cluster --system-namespace gatehouse-system`,
	}
	o := keysFlags(cmd.PersistentFlags())
	cmd.AddCommand(keysListCommand(o), keysRotateCommand(o))
	return cmd
}

func keysListCommand(where *keysOptions) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys and the state of each",
		Long: `List the keys: next (known, signs later), current (signs), retired (verifies what it has
signed). SINCE and UNTIL are when the state began and when it ends. USE is token-mac for
opaque tokens, else the algorithm of JWTs; their keys are at /oauth/jwks.json. Where the
keys live is said on standard error.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError("--output: %q is neither text nor json", output)
			}
			return where.with(cmd.Context(), func(place keysPlace) error {
				keys, err := place.read(cmd.Context())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The keys live in %s.\n", place)
				states := keys.States(time.Now())
				if output == "json" {
					e := json.NewEncoder(cmd.OutOrStdout())
					e.SetIndent("", "  ")
					return e.Encode(states)
				}
				return printKeys(cmd.OutOrStdout(), states)
			})
		},
	}
	cmd.Flags().StringVar(&output, "output", "text", "text or json")
	return cmd
}

func keysRotateCommand(where *keysOptions) *cobra.Command {
	var compromised, yes bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Make new keys, which take over from the current ones",
		Long: `Make a next key for each use. It signs 10 minutes later; the key before it goes on verifying
what it has signed, so no token ends.

With --compromised the keys that exist are worth nothing any more, retired ones included,
and new ones sign at once: every access token and refresh token ends. Whoever verifies ID
tokens and JWTs by itself learns it when it next reads /oauth/jwks.json.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return where.with(cmd.Context(), func(place keysPlace) error {
				if _, err := place.read(cmd.Context()); err != nil {
					return err
				}
				if compromised && !yes {
					if err := confirmCompromised(cmd); err != nil {
						return err
					}
				}
				return rotateKeys(cmd, place, compromised)
			})
		},
	}
	cmd.Flags().BoolVar(&compromised, "compromised", false, "somebody may have read the keys: end every token at once")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before --compromised")
	return cmd
}

// rotateKeys changes the keys first: when keys are compromised, ending them counts more
// than telling of it.
func rotateKeys(cmd *cobra.Command, place keysPlace, compromised bool) error {
	ev := store.Event{Actor: "operator", Action: "keys.rotated", Outcome: "ok"}
	var made []keyring.Status
	err := place.change(cmd.Context(), func(old *keyring.Keyring) (*keyring.Keyring, error) {
		ev.Time = time.Now()
		change := old.Rotate
		if compromised {
			change, ev.Reason = old.Replace, "compromised"
		}
		next, err := change(rand.Reader, ev.Time)
		if err != nil {
			return nil, err
		}
		made = next.Made(ev.Time)
		return next, nil
	})
	if err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	out, ids := cmd.OutOrStdout(), make([]string, 0, len(made))
	for _, key := range made {
		ids = append(ids, key.ID)
		if compromised {
			fmt.Fprintf(out, "%s key %s signs from now on\n", key.Use, key.ID)
		} else {
			fmt.Fprintf(out, "%s key %s takes over at %s\n", key.Use, key.ID, moment(key.Until))
		}
	}
	if compromised {
		fmt.Fprintln(out, "every token of the keys before them ends within a second")
	}
	ev.Target = strings.Join(ids, " ")
	if err := place.recorded(cmd.Context(), ev); err != nil {
		return fmt.Errorf("the keys are rotated, but the audit log does not say so: %w", err)
	}
	return nil
}

// confirmCompromised says what will end, and asks.
func confirmCompromised(cmd *cobra.Command) error {
	fmt.Fprintln(cmd.ErrOrStderr(), `Every access token and refresh token ends at once: people sign in again on every device,
and applications fetch new tokens. Sessions in browsers go on.`)
	from := terminal(cmd)
	if from == nil {
		return usageError("no terminal to ask for confirmation; nothing was changed; confirm with --yes")
	}
	typed, err := ask(cmd, from, "Type yes to go on: ")
	if err != nil {
		return err
	}
	if typed != "yes" {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}

func printKeys(w io.Writer, states []keyring.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tSINCE\tUNTIL\tUSE")
	for _, s := range states {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.State, moment(s.Since), moment(s.Until), s.Use)
	}
	return table.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// followKeysEvery is how often a server reads its keyring: it acts on a change within a
// second.
const followKeysEvery = 500 * time.Millisecond

// followKeys uses what keyring.json says now, or the Secret in a cluster, until ctx ends.
func (in *installation) followKeys(ctx context.Context) error {
	if in.keeper != nil {
		return in.keeper.Run(ctx)
	}
	following, file := in.newFollowing(), keyring.Follow(*in.dataDir, in.keys)
	tick := time.NewTicker(followKeysEvery)
	defer tick.Stop()
	for {
		following.use(file.Reload())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// following takes each state of the keys into use. While they cannot be read the last good
// ones stay in force, which is logged once and shown by a metric.
type following struct {
	*installation
	readable prometheus.Gauge
	said     string
}

func (in *installation) newFollowing() *following {
	f := &following{installation: in, readable: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gatehouse_keyring_readable", Help: "1 if the keyring could be read; 0: the keys that were read last are used.",
	})}
	in.registry.MustRegister(f.readable)
	f.readable.Set(1)
	return f
}

// use takes keys, nil for those from before, or the reason why they cannot be read.
func (f *following) use(keys *keyring.Keyring, err error) {
	if err != nil {
		f.readable.Set(0)
		if f.said != err.Error() {
			f.said = err.Error()
			f.log.Error("keyring: the keys that were read last are used", "error", err)
		}
		return
	}
	f.readable.Set(1)
	f.said = ""
	if keys != nil {
		f.server.UseKeys(keys)
		f.log.Info("keyring read", "installation", keys.Installation, "keys", len(keys.States(time.Now())))
	}
}
