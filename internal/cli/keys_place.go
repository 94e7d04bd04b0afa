package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

// keysPlace is where the keys of a server live.
type keysPlace interface {
	fmt.Stringer
	read(ctx context.Context) (*keyring.Keyring, error)
	change(ctx context.Context, change func(*keyring.Keyring) (*keyring.Keyring, error)) error
	// recorded says of a change of now in the audit log.
	recorded(ctx context.Context, ev store.Event) error
}

// filePlace is keyring.json in a data directory, beside the store.
type filePlace struct {
	dir string
	db  *store.DB
}

func (p filePlace) String() string { return filepath.Join(p.dir, keyring.FileName) }

func (p filePlace) read(ctx context.Context) (*keyring.Keyring, error) {
	return readKeyring(ctx, p.dir, p.db)
}

func (p filePlace) change(_ context.Context, change func(*keyring.Keyring) (*keyring.Keyring, error)) error {
	return keyring.Change(p.dir, change)
}

func (p filePlace) recorded(ctx context.Context, ev store.Event) error { return p.db.Record(ctx, ev) }

// secretPlace is the Secret of a server in a cluster. The server writes its audit log.
type secretPlace struct {
	*controllers.KeyringSecret
	copied *keyring.Keyring // that the data directory has; nil: there is no data directory
	access *rest.Config
}

func (p secretPlace) read(ctx context.Context) (*keyring.Keyring, error) {
	keys, err := p.Read(ctx)
	switch {
	case err != nil:
		return nil, err
	case keys == nil:
		return nil, fmt.Errorf("%s is missing; `gatehouse serve` makes it at its first start and puts it back, else only a backup has it", p)
	}
	return keys, p.same(keys)
}

// same refuses the keys of another installation than the data directory's.
func (p secretPlace) same(keys *keyring.Keyring) error {
	if p.copied == nil || p.copied.Same(keys) {
		return nil
	}
	return fmt.Errorf("%s holds the keyring of installation %s with root key %s, but the data directory is of %s with %s: restore the matching Secret from a backup",
		p, keys.Installation, keys.Fingerprint(), p.copied.Installation, p.copied.Fingerprint())
}

func (p secretPlace) change(ctx context.Context, change func(*keyring.Keyring) (*keyring.Keyring, error)) error {
	return p.Change(ctx, func(old *keyring.Keyring) (*keyring.Keyring, error) {
		if err := p.same(old); err != nil {
			return nil, err
		}
		return change(old)
	})
}

func (p secretPlace) recorded(context.Context, store.Event) error { return nil }

// keysOptions say where to look for keys.
type keysOptions struct {
	dataDir                  *string
	systemNamespace, context string
	cluster                  bool
}

// keysFlags are the flags of whoever works on an installation, wherever its keys live.
func keysFlags(f *pflag.FlagSet) *keysOptions {
	o := &keysOptions{dataDir: dataDirFlag(f)}
	f.BoolVar(&o.cluster, "cluster", false, "the keys live in a Secret of the cluster that KUBECONFIG names, or of this pod's")
	f.StringVar(&o.context, "context", "", "the same, in the cluster of this context of the client configuration")
	f.StringVar(&o.systemNamespace, "system-namespace", "", "with these two: the namespace of the Secret (default: the pod's, else gatehouse-system)")
	return o
}

// secret is the Secret of the keys; nil if they live in the data directory. A copy there
// tells of it, so that in a pod nothing needs to be said.
func (o keysOptions) secret() (*secretPlace, error) {
	var place secretPlace
	namespace := o.systemNamespace
	if !o.cluster && o.context == "" {
		copied, of, err := keyring.Read(*o.dataDir)
		if err != nil || of == "" {
			return nil, nil //nolint:nilnil // none, as documented; what is wrong with the file is found again
		}
		place.copied = copied
		namespace, _, _ = strings.Cut(of, "/")
	}
	if namespace == "" {
		namespace = podNamespace()
	}
	access, err := config.GetConfigWithContext(o.context)
	if err != nil {
		return nil, fmt.Errorf("the keys are in Secret %s/%s, but there is no cluster: %w; set KUBECONFIG", namespace, controllers.KeyringName, err)
	}
	place.access = access
	place.KeyringSecret, err = controllers.NewKeyringSecret(access, namespace)
	return &place, err
}

// with calls do with the place of the keys.
func (o keysOptions) with(ctx context.Context, do func(keysPlace) error) error {
	secret, err := o.secret()
	if err != nil {
		return err
	}
	if secret != nil {
		return do(secret)
	}
	return withStore(ctx, *o.dataDir, false, func(db *store.DB) error { return do(filePlace{*o.dataDir, db}) })
}
