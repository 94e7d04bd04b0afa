package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// publishAgain is how long a set waits after the store refused it.
const publishAgain = time.Second

// files is the source of declarations that are YAML files.
type files struct {
	*installation
	compiler compile.Compiler
	said     map[model.ObjectID][]compile.Finding // findings that were logged
}

// Ready is nil: the files are read before anything else, or the process ends.
func (f *files) Ready() error { return nil }

// Run serves what the files declare, and again whenever they change, until ctx ends. Files
// that cannot be read end the start; later they are reported, and what was served last
// goes on.
func (f *files) Run(ctx context.Context) error {
	paths := []string{f.manifests}
	set, problems := manifest.Load(paths, manifest.Options{
		Installation: f.keys.Installation, SystemNamespace: f.systemNamespace, Issuer: f.issuer, Dev: f.dev,
	})
	if len(problems) > 0 {
		return unreadable(problems)
	}
	sets := make(chan *manifest.Set)
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return f.serveEach(ctx, set, sets) })
	parts.Go(func() error { return f.watch(ctx, paths, set, sets) })
	return parts.Wait()
}

// watch hands over every new set of files.
func (f *files) watch(ctx context.Context, paths []string, current *manifest.Set, sets chan<- *manifest.Set) error {
	return manifest.Watch(ctx, paths, current, func(next *manifest.Set, problems []manifest.Problem) {
		for _, p := range problems {
			f.log.Warn("manifest", "problem", p.Error())
		}
		if next == nil {
			f.log.Warn("manifests: what was served last goes on until the files can be read again")
			return
		}
		select {
		case sets <- next:
		case <-ctx.Done():
		}
	})
}

// serveEach serves one set after another; one that cannot be published, because the store
// does not answer, is tried again until there is a newer one.
func (f *files) serveEach(ctx context.Context, set *manifest.Set, sets <-chan *manifest.Set) error {
	for {
		var again <-chan time.Time
		if err := f.serve(ctx, set); err != nil {
			f.log.Error("publish, trying again", "error", err)
			again = time.After(publishAgain)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case set = <-sets:
		case <-again:
		}
	}
}

// serve compiles and publishes a set, and logs the findings that were not logged before.
func (f *files) serve(ctx context.Context, set *manifest.Set) error {
	f.declared.Store(set)
	result := f.compiler.Compile(set.Input(f.keys.DigestKey()))
	if err := f.publish(ctx, result.Snapshot); err != nil {
		return err
	}
	for _, r := range result.Reports {
		findings := slices.Concat(r.Findings, r.Weak)
		if sameFindings(f.said[r.Object], findings) {
			continue
		}
		f.said[r.Object] = findings
		for _, finding := range findings {
			f.log.Warn("finding", "at", set.Position(r.Object, finding.Field).String(), "object", manifest.Describe(r.Object),
				"reason", finding.Reason, "message", finding.Message)
		}
	}
	f.log.Info("serving", "objects", set.Len(), "snapshot", result.Snapshot.Digest)
	return nil
}

func sameFindings(a, b []compile.Finding) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// unreadable says everything that is wrong at once, a line each.
func unreadable(problems []manifest.Problem) error {
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

// secretOf says in which file and under which key the client secret of an application is
// written in the clear; both are empty if it is not. The secret itself is not read.
func (in *installation) secretOf(a *model.Application) (file, key string) {
	set := in.declared.Load()
	if set == nil {
		return "", ""
	}
	for _, declared := range set.Input(in.keys.DigestKey()).Applications {
		if string(declared.UID) != a.UID || declared.Spec.Credentials == nil || declared.Spec.Credentials.FromSecret == nil {
			continue
		}
		ref := declared.Spec.Credentials.FromSecret
		at := set.Position(model.ObjectID{Kind: "Secret", Namespace: declared.Namespace, Name: ref.Name}, "stringData."+ref.Key)
		return at.File, ref.Key
	}
	return "", ""
}
