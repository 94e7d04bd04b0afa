package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/adoption"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// adoptWithin is how long ago an object may have gone for --all to take it: a restore or a
// move is one event, and soon after it.
const adoptWithin = 7 * 24 * time.Hour

type adoptOptions struct {
	dataDir          *string
	all, yes, dryRun bool
	as, output       string
	within           time.Duration
}

func adoptCommand() *cobra.Command {
	var o adoptOptions
	cmd := &cobra.Command{
		Use:   "adopt KIND NAMESPACE/NAME",
		Short: "Let an object that was made anew go on as the one before it",
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

The server may be running; it acts on an adoption within a second. To take one back,
delete the object and create it again.`,
		Example: `  gatehouse adopt --all --dry-run --data-dir /var/lib/gatehouse
  gatehouse adopt Organization acme/acme
  gatehouse adopt ApiApplication acme/cli --as 7d0c4a0e-0000-4000-8000-000000000001`,
		Args: o.arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output); err != nil {
				return err
			}
			return withStore(cmd.Context(), *o.dataDir, false, func(db *store.DB) error {
				if o.all {
					return o.adoptAll(cmd, db)
				}
				name, err := adoptedName(args[0], args[1])
				if err != nil {
					return err
				}
				return o.adoptOne(cmd, db, name)
			})
		},
	}
	f := cmd.Flags()
	o.dataDir = dataDirFlag(f)
	f.BoolVar(&o.all, "all", false, "every object whose name was last another's")
	f.BoolVar(&o.yes, "yes", false, "with --all: do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be adopted, and adopt nothing")
	f.StringVar(&o.as, "as", "", "UID of the one to go on as, where several bore the name; default: the last")
	f.DurationVar(&o.within, "within", adoptWithin, "with --all: leave alone what was gone longer ago")
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
	case !o.all && len(args) != 2:
		return usageError("%s takes KIND and NAMESPACE/NAME, or --all; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// adoptedName reads KIND NAMESPACE/NAME.
func adoptedName(kind, name string) (adoption.Name, error) {
	if strings.EqualFold(kind, "Role") {
		return adoption.Name{}, usageError("KIND: nothing that is issued is bound to a Role; one that was made anew needs no adoption")
	}
	i := slices.IndexFunc(adoption.Kinds, func(k string) bool { return strings.EqualFold(k, kind) })
	if i < 0 {
		return adoption.Name{}, usageError("KIND: %q must be Organization, ApiApplication or AuthProvider", kind)
	}
	namespace, own, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || own == "" || strings.Contains(own, "/") {
		return adoption.Name{}, usageError("NAMESPACE/NAME: %q must be like acme/cli", name)
	}
	return adoption.Name{Kind: adoption.Kinds[i], Namespace: namespace, Name: own}, nil
}

func (o *adoptOptions) adoptOne(cmd *cobra.Command, db *store.DB, name adoption.Name) error {
	p, err := adoption.Of(cmd.Context(), db, name, o.as, time.Now())
	switch {
	case err != nil:
		return err
	case p.Refused != "":
		return errors.New(p.Refused)
	case p.Already:
		fmt.Fprintf(cmd.OutOrStdout(), "%s goes on as %s already\n", p.Name, p.ID)
		return nil
	}
	found := []adoption.Proposal{p}
	if err := o.show(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	if len(p.Others) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "Others bore the name before; --as takes one of them in its place:\n")
		for _, other := range p.Others {
			fmt.Fprintf(cmd.ErrOrStderr(), "  %s, gone %s\n", other.UID, other.GoneAt.UTC().Format(time.RFC3339))
		}
	}
	return o.adopt(cmd, db, found)
}

func (o *adoptOptions) adoptAll(cmd *cobra.Command, db *store.DB) error {
	now := time.Now()
	found, err := adoption.Find(cmd.Context(), db, now, now.Add(-o.within))
	if err != nil {
		return err
	}
	if err := o.show(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	if !o.yes && !o.dryRun && slices.ContainsFunc(found, func(p adoption.Proposal) bool { return p.Refused == "" }) {
		from := terminal(cmd)
		if from == nil {
			return usageError("no terminal to ask on; look at it with --dry-run, then give --yes")
		}
		typed, err := ask(cmd, from, "Each is the one before it, and what was issued for that one is in force again? Type yes: ")
		if err != nil {
			return err
		}
		if typed != "yes" {
			return errors.New("nothing was adopted")
		}
	}
	return o.adopt(cmd, db, found)
}

func (o *adoptOptions) adopt(cmd *cobra.Command, db *store.DB, found []adoption.Proposal) error {
	if o.dryRun {
		return nil
	}
	err := adoption.Do(cmd.Context(), db, found, time.Now())
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("nothing was adopted: objects came or went meanwhile, run it again (%w)", err)
	}
	if err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	if o.output == "json" {
		return nil
	}
	for _, p := range found {
		if p.Refused == "" {
			fmt.Fprintf(cmd.OutOrStdout(), "adopted %s as %s\n", p.Name, p.ID)
		}
	}
	return nil
}

// show prints what an administrator has to know to judge.
func (o *adoptOptions) show(w io.Writer, found []adoption.Proposal) error {
	if o.output == "json" {
		return printProposalsJSON(w, found)
	}
	if len(found) == 0 {
		fmt.Fprintln(w, "nothing to adopt")
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "KIND\tOBJECT\tORGANIZATION\tGONE\tLIVES AGAIN\tENDS\tGOES ON AS")
	for _, p := range found {
		as := p.ID
		if p.Refused != "" {
			as = "no: " + p.Refused
		}
		organization := p.Organization
		if organization == "" {
			organization = "-"
		}
		fmt.Fprintf(table, "%s\t%s/%s\t%s\t%s\t%s\t%s\t%s\n", p.Kind, p.Namespace, p.Name.Name, organization,
			p.GoneAt.UTC().Format(time.RFC3339), counted(p.Revived), counted(p.Ended), as)
	}
	return table.Flush()
}

func counted(c adoption.Count) string {
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{c.Grants, "grant"}, {c.Consents, "consent"}, {c.Sessions, "session"}} {
		switch of.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+of.what)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", of.n, of.what))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, ", ")
}

func printProposalsJSON(w io.Writer, found []adoption.Proposal) error {
	type count struct {
		Grants   int `json:"grants"`
		Consents int `json:"consents"`
		Sessions int `json:"sessions"`
	}
	type row struct {
		Kind         string    `json:"kind"`
		Namespace    string    `json:"namespace"`
		Name         string    `json:"name"`
		UID          string    `json:"uid"`
		ID           string    `json:"id"`
		Organization string    `json:"organization,omitempty"`
		GoneAt       time.Time `json:"goneAt"`
		LivesAgain   count     `json:"livesAgain"`
		Ends         count     `json:"ends"`
		Refused      string    `json:"refused,omitempty"`
	}
	rows := make([]row, len(found))
	for i, p := range found {
		rows[i] = row{
			p.Kind, p.Namespace, p.Name.Name, p.UID, p.ID, p.Organization, p.GoneAt.UTC(), count(p.Revived), count(p.Ended), p.Refused,
		}
	}
	return printJSON(w, rows)
}
