package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// clusterKeys are the keys of a server in a cluster. They live in a Secret; keyring.json in
// the data directory is a copy, which is read only if the cluster has said that there is no
// Secret: an outdated one may hold keys that were ended.
type clusterKeys struct {
	secret *controllers.KeyringSecret
	dir    string
	db     *store.DB
}

// await opens the keys. Whatever is in the way is told to waiting, and waited
// for: to end the process would only begin the same again, and no condition here is cured
// by new keys.
func (c *clusterKeys) await(ctx context.Context, waiting func(error)) (*keyring.Keyring, error) {
	for {
		keys, err := c.open(ctx)
		if err == nil || ctx.Err() != nil {
			return keys, errors.Join(err, ctx.Err())
		}
		waiting(err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(tryAgain):
		}
	}
}

// open reads the keys from the Secret, which is made first if there is none: of keyring.json,
// or of new keys if the store has never known any.
func (c *clusterKeys) open(ctx context.Context) (*keyring.Keyring, error) {
	known, err := c.db.KnownKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read known keys: %w", err)
	}
	local, _, localErr := keyring.Read(c.dir)
	keys, err := c.secret.Open(ctx, func() (*keyring.Keyring, error) {
		switch {
		case localErr == nil:
			return local, sameKeys(local, known, c.dir)
		case !errors.Is(localErr, fs.ErrNotExist):
			return nil, localErr
		case len(known) > 0:
			return nil, c.gone(known)
		}
		return keyring.New(rand.Reader)
	})
	if err != nil {
		return nil, err
	}
	if err := c.admit(keys, known); err != nil {
		return nil, err
	}
	if local != nil && !local.Same(keys) {
		return nil, fmt.Errorf("%s holds the keyring of installation %s, but %s that of %s: move the file away, or give this installation a --system-namespace of its own",
			filepath.Join(c.dir, keyring.FileName), local.Installation, c.secret, keys.Installation)
	}
	if keys, err = c.secret.Complete(ctx, keys); err != nil {
		return nil, err
	}
	if err := c.db.RememberKey(ctx, keys.Fingerprint()); err != nil {
		return nil, fmt.Errorf("remember keys: %w", err)
	}
	return keys, nil
}

// gone is the refusal to make new keys.
func (c *clusterKeys) gone(known []string) error {
	namespace, name, _ := strings.Cut(c.secret.Place(), "/")
	return fmt.Errorf("%s is missing, but the store was used with keys %v, and others would end every session and token: restore it from a backup, with "+
		"`kubectl create secret generic %s -n %s --from-file=%s` and then `kubectl label secret %s -n %s %s=%s`, or start with an empty --data-dir",
		c.secret, known, name, namespace, keyring.FileName, name, namespace, v1alpha1.SecretLabel, v1alpha1.SecretKeyring)
}

// admit refuses keys that the store does not know.
func (c *clusterKeys) admit(keys *keyring.Keyring, known []string) error {
	if len(known) == 0 || slices.Contains(known, keys.Fingerprint()) {
		return nil
	}
	return fmt.Errorf("%s holds keys %s, but the store was used with keys %v: restore the matching Secret from a backup, or give this installation a --system-namespace of its own",
		c.secret, keys.Fingerprint(), known)
}

// keep writes the copy anew, and into the audit log what has changed since the last one,
// whoever wrote the Secret. The keys are in use whether that succeeds or not.
func (c *clusterKeys) keep(ctx context.Context, keys *keyring.Keyring, log *slog.Logger) {
	if err := errors.Join(c.record(ctx, keys), keyring.WriteCopy(c.dir, keys, c.secret.Place())); err != nil {
		log.Error("keep a copy of the keyring", "error", err)
	}
}

// record compares the keys with the copy. If there was none, nothing is known to have changed.
func (c *clusterKeys) record(ctx context.Context, keys *keyring.Keyring) error {
	before, of, err := keyring.Read(c.dir)
	if err != nil || of != c.secret.Place() || !before.Same(keys) {
		return nil // what cannot be read is written anew
	}
	ev, changed := rotation(before, keys, time.Now())
	if !changed {
		return nil
	}
	if err := c.db.Record(ctx, ev); err != nil {
		return fmt.Errorf("the keys have changed, but the audit log does not say so: %w", err)
	}
	return nil
}

// rotation is what the audit log says of a change that was made elsewhere.
func rotation(before, after *keyring.Keyring, now time.Time) (ev store.Event, changed bool) {
	old, next := keyIDs(before, now), keyIDs(after, now)
	isOld := func(id string) bool { return slices.Contains(old, id) }
	ev = store.Event{Time: now, Actor: "operator", Action: "keys.rotated", Outcome: "ok"}
	if !slices.ContainsFunc(next, isOld) {
		ev.Reason = "compromised"
	}
	fresh := slices.DeleteFunc(slices.Clone(next), isOld)
	if len(fresh) == 0 { // an older keyring was put back
		ev.Action = "keys.withdrawn"
		fresh = slices.DeleteFunc(old, func(id string) bool { return slices.Contains(next, id) })
	}
	ev.Target = strings.Join(fresh, " ")
	return ev, len(fresh) > 0
}

func keyIDs(k *keyring.Keyring, now time.Time) (ids []string) {
	for _, s := range k.States(now) {
		ids = append(ids, s.ID)
	}
	return ids
}

// openClusterKeys opens the keys of an installation in a cluster, and prepares to follow
// them.
func (in *installation) openClusterKeys(ctx context.Context, access *rest.Config) error {
	secret, err := controllers.NewKeyringSecret(access, in.systemNamespace)
	if err != nil {
		return err
	}
	c := &clusterKeys{secret, *in.dataDir, in.db}
	in.phase.Store("the keyring is being read from " + secret.String())
	in.keys, err = c.await(ctx, func(err error) {
		if in.phase.Swap(err.Error()) != err.Error() {
			in.log.Error("waiting for the keyring", "error", err)
		}
	})
	if err != nil {
		return err
	}
	c.keep(ctx, in.keys, in.log)
	following := in.newFollowing()
	in.keeper = secret.Keep(in.keys, func(keys *keyring.Keyring, err error) {
		following.use(keys, err)
		if keys != nil {
			c.keep(ctx, keys, in.log)
		}
	})
	return nil
}
