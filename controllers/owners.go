package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Scope is whose installation looks, and at what: the same as in Options.
type Scope struct {
	Installation    string
	SystemNamespace string
	Namespaces      []string
	Selector        labels.Selector
}

// Owned is an object of one of the four kinds, and whose it is.
type Owned struct {
	model.ObjectID
	// Owner is the status.installation, empty before the first verdict. Whoever may write the
	// status chose it: it may be any 64 characters.
	Owner string
	// Organization that it refers to; of an Organization, and of an installation-wide
	// AuthProvider, none.
	Organization types.NamespacedName
	// Refused says why it must not be taken over, with the cure; empty: it may.
	Refused string

	labels labels.Set
}

func (o Owned) String() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

// ErrChanged is the error of a Claim whose object is another's by now, or gone.
var ErrChanged = errors.New("changed meanwhile")

// claimOrder: what nobody owns yet goes with its Organization, so that comes first.
var claimOrder = []string{kindOrganization, kindProvider, kindApplication, kindRole}

// Owners tells whose the objects of a cluster are, and takes over those of others. It takes
// the verb list for the four kinds, in the namespaces of the Scope, and for Claim patch on
// their status: what the ServiceAccount of an installation has.
type Owners struct {
	Scope
	client client.Client
}

// NewOwners asks the cluster what it serves, and nothing else yet.
func NewOwners(config *rest.Config, scope Scope) (*Owners, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("make scheme: %w", err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200 // a lost keyring makes everything foreign, one write each
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	if scope.Selector == nil {
		scope.Selector = labels.Everything()
	}
	return &Owners{scope, c}, nil
}

// Foreign returns what other installations own in the scope, in the order in which it is
// claimed; with from only what those own. What is being deleted is left out.
func (o *Owners) Foreign(ctx context.Context, from []string) ([]Owned, error) {
	namespaces := []string{""}
	if len(o.Namespaces) > 0 {
		namespaces = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(o.Namespaces), o.SystemNamespace))))
	}
	owners := map[types.NamespacedName]string{} // of the Organizations
	var foreign []Owned
	for _, kind := range claimOrder {
		for _, namespace := range namespaces {
			all, err := o.list(ctx, kind, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: o.Selector})
			if err != nil {
				return nil, err
			}
			for _, one := range all {
				if kind == kindOrganization {
					owners[one.named()] = one.Owner
				}
				if o.other(one.Owner) && (len(from) == 0 || slices.Contains(from, one.Owner)) {
					foreign = append(foreign, one)
				}
			}
		}
	}
	slices.SortStableFunc(foreign, func(a, b Owned) int {
		return cmp.Or(slices.Index(claimOrder, a.Kind)-slices.Index(claimOrder, b.Kind),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, one := range foreign {
		if one.Kind == kindOrganization {
			owners[one.named()] = o.Installation // it comes with the others
		}
	}
	for i := range foreign {
		o.judge(&foreign[i], owners[foreign[i].Organization])
	}
	return foreign, nil
}

// Of returns one object, wherever it is and whoever owns it; there is none if it is not
// there or being deleted.
func (o *Owners) Of(ctx context.Context, kind, namespace, name string) (owned Owned, there bool, err error) {
	owned, there, err = o.find(ctx, kind, types.NamespacedName{Namespace: namespace, Name: name})
	if err != nil || !there || !o.other(owned.Owner) {
		return owned, there, err
	}
	var above Owned
	if owned.Organization.Name != "" {
		if above, _, err = o.find(ctx, kindOrganization, owned.Organization); err != nil {
			return owned, there, err
		}
	}
	o.judge(&owned, above.Owner)
	return owned, there, nil
}

// other reports whether an owner is another installation.
func (o *Owners) other(owner string) bool { return owner != "" && owner != o.Installation }

// judge refuses what this installation would not serve once it has it: then nobody would.
func (o *Owners) judge(owned *Owned, above string) {
	switch {
	case len(o.Namespaces) > 0 && owned.Namespace != o.SystemNamespace && !slices.Contains(o.Namespaces, owned.Namespace):
		owned.Refused = fmt.Sprintf("its namespace is not in --namespaces %s, so nobody would serve it; add it there", strings.Join(o.Namespaces, ","))
	case !o.Selector.Matches(owned.labels):
		owned.Refused = fmt.Sprintf("its labels do not match --selector %s, so nobody would serve it; label it first", o.Selector)
	case owned.Kind == kindProvider && owned.Organization.Name == "" && owned.Namespace != o.SystemNamespace:
		owned.Refused = fmt.Sprintf("AuthProviders without spec.organizationRef count in the system namespace %s only, so nobody would serve it; create it there", o.SystemNamespace)
	case o.other(above):
		owned.Refused = fmt.Sprintf("its Organization %s is of installation %q; take that over first: gatehouse adopt Organization %s",
			owned.Organization, above, owned.Organization)
	}
}

// Claim takes over an object that was found. ErrChanged: it is no longer as it was found.
func (o *Owners) Claim(ctx context.Context, owned Owned) error {
	err := Claim(ctx, o.client, owned.ObjectID, owned.Owner, o.Installation)
	if !apierrors.IsInvalid(err) && !apierrors.IsNotFound(err) {
		return err
	}
	now, there, again := o.find(ctx, owned.Kind, types.NamespacedName{Namespace: owned.Namespace, Name: owned.Name})
	switch {
	case again != nil:
		return errors.Join(err, again)
	case !there:
		return fmt.Errorf("%s %w: it is gone", owned, ErrChanged)
	case now.UID != owned.UID:
		return fmt.Errorf("%s %w: it was deleted and made anew", owned, ErrChanged)
	case now.Owner == o.Installation: // by another administrator
		return nil
	case now.Owner == "":
		return fmt.Errorf("%s %w: it was of installation %q and is nobody's now", owned, ErrChanged, owned.Owner)
	case now.Owner != owned.Owner:
		return fmt.Errorf("%s %w: it was of installation %q and is of %q now", owned, ErrChanged, owned.Owner, now.Owner)
	}
	return err
}

// find looks for one object by listing, which is what a ServiceAccount of ours may do.
func (o *Owners) find(ctx context.Context, kind string, name types.NamespacedName) (owned Owned, there bool, err error) {
	all, err := o.list(ctx, kind, client.InNamespace(name.Namespace), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name.Name)})
	if err != nil || len(all) == 0 {
		return Owned{}, false, err
	}
	return all[0], true, nil
}

// list returns the objects of a kind that nobody deletes.
func (o *Owners) list(ctx context.Context, kind string, options ...client.ListOption) ([]Owned, error) {
	var list client.ObjectList
	switch kind {
	case kindOrganization:
		list = &v1alpha1.OrganizationList{}
	case kindApplication:
		list = &v1alpha1.ApiApplicationList{}
	case kindRole:
		list = &v1alpha1.RoleList{}
	default:
		list = &v1alpha1.AuthProviderList{}
	}
	if err := o.client.List(ctx, list, options...); err != nil {
		return nil, fmt.Errorf("list %ss: %w", kind, err)
	}
	var all []Owned
	err := meta.EachListItem(list, func(item runtime.Object) error {
		one, ok := item.(client.Object)
		if ok && one.GetDeletionTimestamp() == nil {
			all = append(all, Owned{ObjectID: identify(kind, one), Owner: ownerOf(one), Organization: organizationOf(one), labels: one.GetLabels()})
		}
		return nil
	})
	return all, err
}

func (o Owned) named() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}
