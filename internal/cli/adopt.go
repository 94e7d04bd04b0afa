package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/server/adoption"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// adoptWithin is how long ago an object may have gone for --all to take it: a restore or a
// move is one event, and soon after it.
const adoptWithin = 7 * 24 * time.Hour

type adoptOptions struct {
	place            *keysOptions
	all, yes, dryRun bool
	as, output       string
	within           time.Duration
	from, namespaces []string
	selector         string
}

func adoptCommand() *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt KIND NAMESPACE/NAME",
		Short: "Let an object go on as the one before it, or take it over from another installation",
		Long: `Let an object that was deleted and made anew go on as the one before it: after a restore,
a move to another cluster, or a mistake. KIND is Organization, ApiApplication or
AuthProvider; nothing is bound to a Role.

By itself an object that is made anew inherits nothing, though it bears the old name: what
was issued for the one before it is dead. Adopted, it goes by that one's ID, which stays
org_id in tokens, and what was issued for that one is in force again: grants with their
tokens, consents, sessions. What was revoked, has expired, or belongs to somebody who was
disabled stays dead, and what was issued for the object since it was made anew ends.

Adopt an object only if it is the same one: whoever may create objects in its namespace
made the one that is there. An application goes on only in the Organization that it was
in, so Organizations come first; --all sees to that. --all takes every object whose name
was last another's, and was gone within --within; it shows them, and asks.

In a cluster it also takes over objects, of all four kinds, that are another
installation's (status.installation): one that is no more, that had a keyring which is
lost, or that hands them over. The one that owned them drops them, and what it issued for
them is worth nothing here; an object that was served here before is adopted afterwards. It
shows whose they are, and asks. --all looks in --namespaces and for --selector, which a pod
of the chart has from its server. In the pod the data directory says which cluster it is;
elsewhere --cluster or --context does, with the rights to read the keyring, to list the
four kinds and to patch their status, and then this is all it does.

The server may be running; it acts on either within a second or two. To take an adoption
back, delete the object and create it again.`,
		Example: `  gatehouse adopt --all --dry-run --data-dir /var/lib/gatehouse
  gatehouse adopt Organization acme/acme
  gatehouse adopt ApiApplication acme/cli --as 7d0c4a0e-0000-4000-8000-000000000001
  kubectl exec -it -n gatehouse-system deploy/gatehouse -- gatehouse adopt --all
  gatehouse adopt --all --cluster --from 7d0c4a0e-0000-4000-8000-000000000002 --yes`,
		Args: o.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output); err != nil {
				return err
			}
			return o.with(cmd, func(a adopter) error {
				if o.all {
					return a.everything()
				}
				return a.named(args[0], args[1])
			})
		},
	}
	f := cmd.Flags()
	o.place = keysFlags(f)
	f.BoolVar(&o.all, "all", false, "every object whose name was last another's, or that is another installation's")
	f.BoolVar(&o.yes, "yes", false, "do not ask; with --all, take over only from those that --from names")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be adopted, and adopt nothing")
	f.StringVar(&o.as, "as", "", "UID of the one to go on as, where several bore the name; default: the last")
	f.DurationVar(&o.within, "within", adoptWithin, "with --all: leave alone what was gone longer ago")
	f.StringSliceVar(&o.from, "from", nil, "with --all: take over from these installations (status.installation) and no others")
	f.StringSliceVar(&o.namespaces, "namespaces", nil, "with --all: take over in these namespaces, and the system namespace; give what the server has")
	f.StringVar(&o.selector, "selector", "", "take over only what has such labels; give what the server has")
	f.StringVar(&o.output, "output", "text", "text or json")
	return cmd
}

func (o *adoptOptions) arguments(cmd *cobra.Command, args []string) error {
	switch {
	case o.all && len(args) > 0:
		return usageError("--all takes no arguments, got %q", args)
	case o.all && o.as != "":
		return usageError("--as is for one object; give KIND and NAMESPACE/NAME instead of --all")
	case o.all && o.within <= 0:
		return usageError("--within: %v must be more than nothing, such as 24h", o.within)
	case !o.all && cmd.Flags().Changed("within"):
		return usageError("--within is read only with --all")
	case !o.all && len(o.from) > 0:
		return usageError("--from is read only with --all; one object is shown with its owner before you are asked")
	case !o.all && len(args) != 2:
		return usageError("%s takes KIND and NAMESPACE/NAME, or --all; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	_, err := scope(o.namespaces, o.selector)
	return err
}

// adopter is the command on one installation.
type adopter struct {
	*adoptOptions
	cmd    *cobra.Command
	db     *store.DB           // nil: the store is elsewhere
	owners *controllers.Owners // nil: there is no cluster
}

// everything is --all. What is to be decided is shown and asked before anything is done.
func (a adopter) everything() error {
	foreign, err := a.foreign()
	if err != nil {
		return err
	}
	var found []adoption.Proposal
	if a.db != nil {
		now := time.Now()
		if found, err = adoption.Find(a.cmd.Context(), a.db, now, now.Add(-a.within)); err != nil {
			return err
		}
	}
	if err := a.show(foreign, found); err != nil || a.dryRun {
		return err
	}
	if err := a.confirm(foreign); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(p adoption.Proposal) bool { return p.Refused == "" }) {
		if err := a.ask("Each is the one before it, and what was issued for that one is in force again?"); err != nil {
			return err
		}
	}
	if err := a.claim(foreign); err != nil {
		return err
	}
	return a.adopt(found)
}

// named is one object.
func (a adopter) named(kind, name string) error {
	object, err := adoptedName(kind, name, a.owners != nil)
	if err != nil {
		return err
	}
	own := ""
	if a.owners != nil {
		done := false
		if own, done, err = a.takeOver(object); err != nil || done {
			return err
		}
	}
	p, err := adoption.Of(a.cmd.Context(), a.db, object, a.as, time.Now())
	switch {
	case err != nil:
		return err
	case own != "" && a.as == "" && p.UID != "" && p.ID == "":
		fmt.Fprintf(a.cmd.OutOrStdout(), "%s, and was never gone; there is nothing to adopt\n", own)
		return nil
	case p.Refused != "":
		return errors.New(p.Refused)
	case p.Already:
		fmt.Fprintf(a.cmd.OutOrStdout(), "%s goes on as %s already\n", p.Name, p.ID)
		return nil
	}
	found := []adoption.Proposal{p}
	if err := a.show(nil, found); err != nil {
		return err
	}
	if len(p.Others) > 0 {
		fmt.Fprintf(a.cmd.ErrOrStderr(), "Others bore the name before; --as takes one of them in its place:\n")
		for _, other := range p.Others {
			fmt.Fprintf(a.cmd.ErrOrStderr(), "  %s, gone %s\n", other.UID, other.GoneAt.UTC().Format(time.RFC3339))
		}
	}
	if a.dryRun {
		return nil
	}
	return a.adopt(found)
}

// adoptedName reads KIND NAMESPACE/NAME.
func adoptedName(kind, name string, inCluster bool) (adoption.Name, error) {
	kinds := adoption.Kinds
	words := "Organization, ApiApplication or AuthProvider"
	if inCluster {
		kinds, words = append(slices.Clone(kinds), kindRole), "Organization, ApiApplication, AuthProvider or Role"
	} else if strings.EqualFold(kind, kindRole) {
		return adoption.Name{}, usageError("KIND: nothing that is issued is bound to a Role; one that was made anew needs no adoption")
	}
	i := slices.IndexFunc(kinds, func(k string) bool { return strings.EqualFold(k, kind) })
	if i < 0 {
		return adoption.Name{}, usageError("KIND: %q must be %s", kind, words)
	}
	namespace, own, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || own == "" || strings.Contains(own, "/") {
		return adoption.Name{}, usageError("NAMESPACE/NAME: %q must be like acme/cli", name)
	}
	return adoption.Name{Kind: kinds[i], Namespace: namespace, Name: own}, nil
}

// ask goes on if somebody says yes, or has said so before.
func (a adopter) ask(question string) error {
	if a.yes {
		return nil
	}
	from := terminal(a.cmd)
	if from == nil {
		return usageError("no terminal to ask on; look at it with --dry-run, then give --yes")
	}
	typed, err := ask(a.cmd, from, question+" Type yes: ")
	if err != nil {
		return err
	}
	if typed != "yes" {
		return errors.New("nothing was adopted")
	}
	return nil
}

func (a adopter) adopt(found []adoption.Proposal) error {
	if a.db == nil {
		return nil
	}
	err := adoption.Do(a.cmd.Context(), a.db, found, time.Now())
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("nothing was adopted: objects came or went meanwhile, run it again (%w)", err)
	}
	if err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	if a.output == "json" {
		return nil
	}
	for _, p := range found {
		if p.Refused == "" {
			fmt.Fprintf(a.cmd.OutOrStdout(), "adopted %s as %s\n", p.Name, p.ID)
		}
	}
	return nil
}
