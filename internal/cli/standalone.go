package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	// tryAgain is how long to wait after the store or the disk refused something.
	tryAgain = time.Second
	// followSecretsEvery is how often the files of client secrets are looked at.
	followSecretsEvery = 500 * time.Millisecond
)

// files is the source of declarations that are YAML files.
type files struct {
	*installation
	compiler compile.Compiler
	secrets  *secretFiles
	said     map[model.ObjectID][]compile.Finding // findings that were logged
	told     map[model.ObjectID]bool              // providers whose callback was logged
	// adoptions has the last that were read, until they are used.
	adoptions chan map[string]string
	adopted   map[string]string
}

// Adopt hands over the IDs that objects go by, in the place of those not yet used.
func (f *files) Adopt(ids map[string]string) {
	select {
	case <-f.adoptions:
	default:
	}
	f.adoptions <- ids
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
	var err error
	if f.secrets, err = openSecretFiles(*f.dataDir, f.keys.DigestKey(), f.log); err != nil {
		return err
	}
	f.adopted = <-f.adoptions // read before the start
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

// serveEach serves one set after another, and each again when its client secrets change;
// one that cannot be published, because the store does not answer, is tried again until
// there is a newer one.
func (f *files) serveEach(ctx context.Context, set *manifest.Set, sets <-chan *manifest.Set) error {
	look := time.NewTicker(followSecretsEvery)
	defer look.Stop()
	for {
		next, err := f.serve(ctx, set)
		if err != nil {
			f.log.Error("serve the manifests, trying again", "error", err)
			next = time.Now().Add(tryAgain)
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case set = <-sets:
				waiting = false
			case f.adopted = <-f.adoptions:
				waiting = false
			case now := <-look.C:
				waiting = !f.secretsChanged() && (next.IsZero() || now.Before(next))
			}
		}
	}
}

func (f *files) secretsChanged() bool {
	changed, err := f.secrets.reload()
	if err != nil {
		f.complain(err)
	}
	return changed
}

// complain logs what is wrong with all client secrets, once.
func (f *files) complain(err error) { f.secrets.complain(".", err) }

// serve publishes a set with its client secrets, and takes the next steps of those, until
// there is nothing to do. It returns when there will be; zero for when something changes.
func (f *files) serve(ctx context.Context, set *manifest.Set) (next time.Time, err error) {
	f.declared.Store(set)
	result := f.compile(set)
	if f.served.Load() == nil { // whoever waits for the start finds everything served
		_, _, _ = f.secrets.keep(result.Reports, time.Now()) // an error comes again below, once the rest is served
		result = f.compile(set)
	}
	for {
		if err := f.publish(ctx, result.Snapshot); err != nil {
			return time.Time{}, fmt.Errorf("publish: %w", err)
		}
		changed, next, err := f.secrets.keep(result.Reports, time.Now())
		if err != nil {
			return time.Time{}, err
		}
		if !changed {
			f.report(set, result)
			return next, nil
		}
		result = f.compile(set)
	}
}

func (f *files) compile(set *manifest.Set) compile.Result {
	in := set.Input(f.keys.DigestKey())
	in.Outputs, in.NoCluster = f.secrets.inputs(), true
	in.Adopted = f.adopted
	return f.compiler.Compile(in)
}

// report logs the findings that were not logged before, and what is served.
func (f *files) report(set *manifest.Set, result compile.Result) {
	for _, r := range result.Reports {
		f.tellWhere(r)
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
}

// tellWhere logs what is to be entered at a provider, once: there is no status to read it in.
func (f *files) tellWhere(r *compile.Report) {
	p := r.Provider
	if p == nil || f.told[r.Object] {
		return
	}
	switch name := r.Object.Namespace + "/" + r.Object.Name; {
	case p.CallbackURL != "":
		f.log.Info("enter this at the provider", "provider", name, "callbackURL", p.CallbackURL)
	case p.SAMLACSURL != "":
		f.log.Info("enter this at the provider", "provider", name, "samlACSURL", p.SAMLACSURL, "samlMetadataURL", p.SAMLMetadataURL)
	default:
		return
	}
	f.told[r.Object] = true
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
	if set == nil || len(a.Secrets) == 0 {
		return "", ""
	}
	for _, declared := range set.Input(in.keys.DigestKey()).Applications {
		if declared.Namespace != a.Namespace || declared.Name != a.Name {
			continue
		}
		if declared.Spec.Credentials == nil || declared.Spec.Credentials.FromSecret == nil {
			name, key := compile.OutputOf(declared)
			return filepath.Join(*in.dataDir, secretsDir, declared.Namespace, name+".yaml"), key
		}
		ref := declared.Spec.Credentials.FromSecret
		at := set.Position(model.ObjectID{Kind: "Secret", Namespace: declared.Namespace, Name: ref.Name}, "stringData."+ref.Key)
		return at.File, ref.Key
	}
	return "", ""
}
