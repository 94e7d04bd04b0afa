package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/keyring"
)

// KeyringName is the name of the Secret in the system namespace in which the keys of an
// installation live. Its one key is keyring.json, the whole keyring: whoever may write
// Secrets there and not read them cannot put keys of their own beside the root key, and
// without that they are refused.
const KeyringName = "gatehouse-keyring"

const (
	// keyringPatience bounds one request for the Secret.
	keyringPatience = 10 * time.Second
	// keyringTurns is how often a change is tried that others were faster with.
	keyringTurns = 5
)

// theKeyring selects the Secret. It is asked for by its label like every other one, and by
// its name, which RBAC can allow alone.
var theKeyring = metav1.ListOptions{
	LabelSelector: v1alpha1.SecretLabel + "=" + v1alpha1.SecretKeyring,
	FieldSelector: metav1.ObjectNameField + "=" + KeyringName,
}

// KeyringSecret is the Secret of an installation's keys. Its errors never contain a key.
type KeyringSecret struct {
	namespace string
	secrets   corev1client.SecretInterface
}

// NewKeyringSecret is the Secret in a system namespace; nothing is asked yet.
func NewKeyringSecret(config *rest.Config, systemNamespace string) (*KeyringSecret, error) {
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make Secret client: %w", err)
	}
	return &KeyringSecret{systemNamespace, client.Secrets(systemNamespace)}, nil
}

// Place is namespace/name.
func (s *KeyringSecret) Place() string { return s.namespace + "/" + KeyringName }

func (s *KeyringSecret) String() string { return "Secret " + s.Place() }

// Read returns the keyring in the Secret; nil if there is none.
func (s *KeyringSecret) Read(ctx context.Context) (*keyring.Keyring, error) {
	there, err := s.find(ctx)
	if err != nil || there == nil {
		return nil, err
	}
	return s.parse(there)
}

// Open returns the keyring in the Secret. If there is none it makes one from what first
// returns, whose error is returned as it is; of many that do so at once, all use the one
// that was made first.
func (s *KeyringSecret) Open(ctx context.Context, first func() (*keyring.Keyring, error)) (*keyring.Keyring, error) {
	if k, err := s.Read(ctx); err != nil || k != nil {
		return k, err
	}
	k, err := first()
	if err != nil {
		return nil, err
	}
	if k, err = k.Completed(rand.Reader); err != nil {
		return nil, err
	}
	if err = s.create(ctx, k); err == nil {
		return k, nil
	} else if !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	if k, err = s.Read(ctx); k == nil && err == nil {
		err = s.hidden()
	}
	return k, err
}

// Complete adds signing keys to a keyring that was written before there were any.
func (s *KeyringSecret) Complete(ctx context.Context, k *keyring.Keyring) (*keyring.Keyring, error) {
	if k.Whole() {
		return k, nil
	}
	err := s.Change(ctx, func(old *keyring.Keyring) (whole *keyring.Keyring, err error) {
		k, err = old.Completed(rand.Reader)
		return k, err
	})
	return k, err
}

// Change puts what change makes of the keyring in its place. Of two that change it at once
// the second one is given what the first one made. When change fails its error is returned
// as it is, and nothing is written.
func (s *KeyringSecret) Change(ctx context.Context, change func(*keyring.Keyring) (*keyring.Keyring, error)) error {
	var err error
	for range keyringTurns {
		var there *corev1.Secret
		if there, err = s.find(ctx); err != nil {
			return err
		}
		if there == nil {
			return fmt.Errorf("%s is missing; a running server puts it back, else restore it from a backup", s)
		}
		old, err := s.parse(there)
		if err != nil {
			return err
		}
		next, err := change(old)
		if err != nil {
			return err
		}
		if err = s.update(ctx, there, next); !apierrors.IsConflict(err) {
			return err
		}
	}
	return fmt.Errorf("others keep changing %s; try again: %w", s, err)
}

// find returns the Secret; nil if there is none that has our label.
func (s *KeyringSecret) find(ctx context.Context) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, keyringPatience)
	defer cancel()
	list, err := s.secrets.List(ctx, theKeyring)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s, err)
	}
	if len(list.Items) == 0 {
		return nil, nil //nolint:nilnil // none, as documented
	}
	return &list.Items[0], nil
}

// create makes the Secret, and never replaces one.
func (s *KeyringSecret) create(ctx context.Context, k *keyring.Keyring) error {
	data, err := k.Marshal()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keyringPatience)
	defer cancel()
	_, err = s.secrets.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: KeyringName, Labels: map[string]string{v1alpha1.SecretLabel: v1alpha1.SecretKeyring}},
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{keyring.FileName: data},
	}, metav1.CreateOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("create %s: there is no namespace %s; create it, or name another one with --system-namespace", s, s.namespace)
	case err != nil:
		return fmt.Errorf("create %s: %w", s, err)
	}
	return nil
}

// update puts k in the place of exactly what was read.
func (s *KeyringSecret) update(ctx context.Context, there *corev1.Secret, k *keyring.Keyring) error {
	data, err := k.Marshal()
	if err != nil {
		return err
	}
	there = there.DeepCopy()
	there.Data = map[string][]byte{keyring.FileName: data}
	ctx, cancel := context.WithTimeout(ctx, keyringPatience)
	defer cancel()
	if _, err := s.secrets.Update(ctx, there, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("update %s: %w", s, err)
	}
	return nil
}

func (s *KeyringSecret) parse(there *corev1.Secret) (*keyring.Keyring, error) {
	data, exists := there.Data[keyring.FileName]
	if !exists {
		return nil, fmt.Errorf("%s has no key %s; restore it from a backup", s, keyring.FileName)
	}
	k, err := keyring.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return k, nil
}

// hidden is why a Secret that exists cannot be found.
func (s *KeyringSecret) hidden() error {
	return errors.New(s.String() + " exists without the label " + theKeyring.LabelSelector + ", so it is not read; give it the label, or delete it if it is none of ours")
}
