package cli

import (
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
)

// applied is the cluster after the files were applied: what it has keeps its UID and its
// age, what is new is the youngest, and what the files do not have stays, or is pruned.
func applied(set *manifest.Set, cluster compile.Input, prune bool) compile.Input {
	files, next := set.Input(cluster.DigestKey), cluster
	born := youngest(cluster).Add(time.Second)
	next.Organizations = overlay(cluster.Organizations, files.Organizations, born, prune)
	next.Applications = overlay(cluster.Applications, files.Applications, born, prune)
	next.Roles = overlay(cluster.Roles, files.Roles, born, prune)
	next.Providers = overlay(cluster.Providers, files.Providers, born, prune)
	next.Namespaces = namespacesAfter(cluster.Namespaces, files.Namespaces, set)
	return next
}

// declaration is an object of one of the four kinds.
type declaration[T any] interface {
	metav1.Object
	comparable
	DeepCopy() T
}

func overlay[T declaration[T]](cluster, files []T, born time.Time, prune bool) []T {
	known, named := map[types.NamespacedName]T{}, map[types.NamespacedName]bool{}
	for _, o := range cluster {
		known[types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}] = o
	}
	var after []T
	for _, o := range files {
		at := types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
		named[at] = true
		o = o.DeepCopy()
		o.SetCreationTimestamp(metav1.NewTime(born))
		if was, exists := known[at]; exists {
			o.SetUID(was.GetUID())
			o.SetCreationTimestamp(was.GetCreationTimestamp())
		}
		after = append(after, o)
	}
	for at, o := range known {
		if !named[at] && !prune {
			after = append(after, o)
		}
	}
	return after
}

func youngest(in compile.Input) (at time.Time) {
	note := func(o metav1.Object) {
		if t := o.GetCreationTimestamp(); t.After(at) {
			at = t.Time
		}
	}
	for _, o := range in.Organizations {
		note(o)
	}
	for _, o := range in.Applications {
		note(o)
	}
	for _, o := range in.Roles {
		note(o)
	}
	for _, o := range in.Providers {
		note(o)
	}
	return at
}

// namespacesAfter are the cluster's, with the labels and slugs of those that the files
// declare. Namespaces are never pruned: a team's files seldom hold them.
func namespacesAfter(cluster, files []compile.Namespace, set *manifest.Set) []compile.Namespace {
	byName := map[string]compile.Namespace{}
	for _, n := range cluster {
		byName[n.Name] = n
	}
	for _, n := range files {
		was, exists := byName[n.Name]
		switch {
		case !exists:
			byName[n.Name] = n
		case set.Declares("Namespace", "", n.Name):
			labels := maps.Clone(was.Labels)
			if labels == nil {
				labels = map[string]string{}
			}
			maps.Copy(labels, n.Labels)
			slugs := was.Slugs // an annotation that is not in the files is left alone
			if n.Slugs != nil {
				slugs = n.Slugs
			}
			byName[n.Name] = compile.Namespace{Name: n.Name, Labels: labels, Slugs: slugs}
		}
	}
	var after []compile.Namespace
	for _, n := range byName {
		after = append(after, n)
	}
	return after
}
