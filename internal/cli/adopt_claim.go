package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/server/adoption"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

const kindRole = "Role"

// with calls do with the store, the cluster, or both.
func (o *adoptOptions) with(cmd *cobra.Command, do func(adopter) error) error {
	ctx := cmd.Context()
	secret, err := o.place.secret()
	if err != nil {
		return err
	}
	if secret == nil {
		if len(o.from)+len(o.namespaces) > 0 || o.selector != "" {
			return usageError("--from, --namespaces and --selector are for objects of a cluster, which %s does not name; add --cluster", *o.place.dataDir)
		}
		return withStore(ctx, *o.place.dataDir, false, func(db *store.DB) error { return do(adopter{o, cmd, db, nil}) })
	}
	keys, err := secret.read(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(o.from, keys.Installation) {
		return usageError("--from: %s is this installation itself", keys.Installation)
	}
	matching, err := scope(o.namespaces, o.selector)
	if err != nil {
		return err
	}
	systemNamespace, _, _ := strings.Cut(secret.Place(), "/")
	owners, err := controllers.NewOwners(secret.access, controllers.Scope{
		Installation: keys.Installation, SystemNamespace: systemNamespace, Namespaces: o.namespaces, Selector: matching,
	})
	if err != nil {
		return err
	}
	if secret.copied == nil {
		return do(adopter{o, cmd, nil, owners})
	}
	return withStore(ctx, *o.place.dataDir, false, func(db *store.DB) error { return do(adopter{o, cmd, db, owners}) })
}

// foreign is what --all takes over. Nobody is asked with --yes, so it takes nothing from an
// installation that it does not name: that may be one that is well, beside this one.
func (a adopter) foreign() ([]controllers.Owned, error) {
	if a.owners == nil {
		return nil, nil
	}
	foreign, err := a.owners.Foreign(a.cmd.Context(), a.from)
	if err != nil {
		return nil, missing(err, "give --namespaces, if this is only about some")
	}
	if a.yes && len(a.from) == 0 {
		for i := range foreign {
			foreign[i].Refused = "with --yes it has to be said from whom, with --from"
		}
	}
	return foreign, nil
}

// takeOver does one object, if it is another installation's; own says of one that is not
// whose it is. It is done, too, with what the store has nothing about.
func (a adopter) takeOver(name adoption.Name) (own string, done bool, err error) {
	o, there, err := a.owners.Of(a.cmd.Context(), name.Kind, name.Namespace, name.Name)
	switch {
	case err != nil:
		return "", true, missing(err, "have an administrator of the cluster do it")
	case !there:
		return "", true, fmt.Errorf("there is no %s in the cluster; create it, or correct the name", name)
	case o.Owner == "" || o.Owner == a.owners.Installation:
		own = name.String() + " is this installation's already"
		if o.Owner == "" {
			own = name.String() + " is nobody's yet: the first installation that serves it has it"
		}
		if done = a.db == nil || name.Kind == kindRole; done {
			fmt.Fprintln(a.cmd.OutOrStdout(), own)
		}
		return own, done, nil
	case a.as != "":
		return "", true, usageError("--as: %s is of installation %q; take it over first, without --as", name, o.Owner)
	case o.Refused != "":
		return "", true, fmt.Errorf("%s is of installation %q, and is not taken over: %s", name, o.Owner, o.Refused)
	}
	foreign := []controllers.Owned{o}
	if err := a.show(foreign, nil); err != nil || a.dryRun {
		return "", true, err
	}
	if err := a.confirm(foreign); err != nil {
		return "", true, err
	}
	return "", true, a.claim(foreign)
}

// confirm says what the owners lose, and asks.
func (a adopter) confirm(foreign []controllers.Owned) error {
	taken := map[string]int{}
	var owners []string
	for _, o := range foreign {
		if o.Refused == "" {
			if taken[o.Owner]++; taken[o.Owner] == 1 {
				owners = append(owners, o.Owner)
			}
		}
	}
	if len(owners) == 0 {
		return nil
	}
	var of []string
	for _, owner := range owners {
		of = append(of, fmt.Sprintf("%d of installation %q", taken[owner], owner))
	}
	return a.ask(fmt.Sprintf("Take over %s? Whoever is running there serves them no longer, and what it issued for them ends.", strings.Join(of, ", ")))
}

// claim takes over what is not refused. One that changed meanwhile is left, and named.
func (a adopter) claim(foreign []controllers.Owned) error {
	if len(foreign) == 0 {
		return nil
	}
	before, err := a.servedBefore()
	if err != nil {
		return err
	}
	var changed []error
	var again []string
	taken := 0
	for _, o := range foreign {
		if o.Refused != "" {
			continue
		}
		if err := a.owners.Claim(a.cmd.Context(), o); errors.Is(err, controllers.ErrChanged) {
			changed = append(changed, fmt.Errorf("%w; nothing was done to it, look at it again", err))
			continue
		} else if err != nil {
			return errors.Join(append(changed, missing(err, "have an administrator of the cluster do it, or do it in the server's pod"))...)
		}
		taken++
		if err := a.claimed(o); err != nil {
			return err
		}
		if before[adoption.Name{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] {
			again = append(again, o.String())
		}
	}
	if taken > 0 && a.db == nil {
		fmt.Fprintln(a.cmd.ErrOrStderr(), "The store is elsewhere, so its audit log does not say so; in the pod it would.")
	}
	for _, name := range again {
		fmt.Fprintf(a.cmd.ErrOrStderr(), "%s was served here before, and what was issued then is dead until it is adopted as well; if it is the same one, once it is Ready: gatehouse adopt %s\n", name, name)
	}
	return errors.Join(changed...)
}

// claimed tells of one that was taken over.
func (a adopter) claimed(o controllers.Owned) error {
	if a.output != "json" {
		fmt.Fprintf(a.cmd.OutOrStdout(), "took over %s from installation %q\n", o, o.Owner)
	}
	if a.db == nil {
		return nil
	}
	err := a.db.Record(a.cmd.Context(), store.Event{
		Time: time.Now(), Actor: "operator", Action: "object.claimed", Target: o.UID, Outcome: "ok",
		Reason: fmt.Sprintf("%s was of installation %q", o, o.Owner),
	})
	if err != nil {
		return fmt.Errorf("%s is taken over, but the audit log does not say so: %w", o, err)
	}
	return nil
}

// servedBefore are the names that something in the store was bound to, until it was gone.
func (a adopter) servedBefore() (map[adoption.Name]bool, error) {
	if a.db == nil {
		return nil, nil
	}
	objects, err := a.db.Objects(a.cmd.Context())
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	before := map[adoption.Name]bool{}
	for _, o := range objects {
		if !o.Present && slices.Contains(adoption.Kinds, o.Kind) {
			before[adoption.Name{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] = true
		}
	}
	return before, nil
}

// missing adds the cure to an error that says which right is missing.
func missing(err error, cure string) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("%w; %s", err, cure)
	}
	return err
}
