package output

import (
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Keeper says what to write next to the Secret of an application. Between the writing of a
// digest and that of its secret it is the only one who has the secret.
type Keeper struct {
	key    model.Sensitive
	random io.Reader

	mu   sync.Mutex
	kept map[string]announced // by UID of the application
}

// announced is a secret whose digest was to be written upon a version of the Secret. Whether
// it was, the next version shows.
type announced struct {
	*credential.Secret
	upon string
}

// NewKeeper makes a Keeper that digests under the key.
func NewKeeper(random io.Reader, key model.Sensitive) *Keeper {
	return &Keeper{key: key, random: random, kept: map[string]announced{}}
}

// Change is what happened to an application's client secret by a write, in one word.
type Change string

// The changes worth telling somebody.
const (
	Created   Change = "CredentialsCreated"   // the first one
	Replaced  Change = "CredentialsReplaced"  // what was there is dead, or about to be
	Announced Change = "CredentialsAnnounced" // the next one is coming
	Rotated   Change = "CredentialsRotated"   // the next one is there
	Tidied    Change = "CredentialsEnded"     // the one before works no more
	Restored  Change = "CredentialsRestored"  // the Secret is as it was declared again
	Copied    Change = "CredentialsCopied"    // the Secret has what is declared and read elsewhere
)

// Step is what to do next.
type Step struct {
	Change Change
	// Secret to write, nil for nothing to do. One without a resourceVersion is new, and must
	// never be written over another one; any other only over exactly that version.
	Secret *corev1.Secret
	// At is when to ask again, zero for when something changes.
	At time.Time
}

// Next is the next step for the application that r is about, beside the Secret that is
// there; nil for none. A report on another state of the Secret gives no step: the right one
// is on its way.
func (k *Keeper) Next(r *compile.Report, there *corev1.Secret, now time.Time) (Step, error) {
	w := r.Output
	if w == nil || w.Name == "" || w.Foreign || w.Version != versionOf(there) {
		return Step{}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !w.Made {
		delete(k.kept, r.Object.UID)
		return copied(r, there), nil
	}
	kept := k.kept[r.Object.UID]
	if kept.Secret != nil && kept.ID == w.State.Held { // it has been written
		delete(k.kept, r.Object.UID)
	}
	decision := w.Plan.Next(w.State, idOf(kept.Secret), now)
	switch decision.Act {
	case credential.Issue:
		return k.issue(r, there, now)
	case credential.Announce:
		return k.announce(r, there, now)
	case credential.HandOver:
		return Step{Change: Rotated, Secret: compose(r, there, w.Plan.HandedOver(w.State, now), kept.Plain.Reveal())}, nil
	case credential.Tidy:
		return Step{Change: Tidied, Secret: compose(r, there, w.State.Tidied(now), there.Data[w.SecretKey])}, nil
	case credential.Wait:
	}
	if same := compose(r, there, w.State, there.Data[w.SecretKey]); !equality.Semantic.DeepEqual(same, there) {
		return Step{Change: Restored, Secret: same}, nil
	}
	return Step{At: decision.At}, nil
}

// copied is the step for a client secret that somebody else makes: it is written at once. The
// one before works no longer, so whoever still has it is refused until the write.
func copied(r *compile.Report, there *corev1.Secret) Step {
	s := compose(r, there, credential.State{}, r.Output.Copied.Reveal())
	if there != nil && equality.Semantic.DeepEqual(s, there) {
		return Step{}
	}
	return Step{Change: Copied, Secret: s}
}

// issue makes a secret that is written at once.
func (k *Keeper) issue(r *compile.Report, there *corev1.Secret, now time.Time) (Step, error) {
	w := r.Output
	made, err := credential.Make(k.random, k.key, w.Plan.Generation, now)
	if err != nil {
		return Step{}, err
	}
	step := Step{Change: Created, Secret: compose(r, there, w.Plan.Issued(w.State, made.Credential, now), made.Plain.Reveal())}
	if there != nil {
		step.Change = Replaced
	}
	return step, nil
}

// announce makes a secret of which only the digest is written. Asked again about the same
// version it announces the same one: the write may have come to pass without being seen yet,
// and another secret in its place would have to be announced anew.
func (k *Keeper) announce(r *compile.Report, there *corev1.Secret, now time.Time) (Step, error) {
	w := r.Output
	made, err := credential.Make(k.random, k.key, w.Plan.Generation, now)
	if err != nil {
		return Step{}, err
	}
	if kept := k.kept[r.Object.UID]; kept.Secret != nil && kept.upon == w.Version && kept.Generation == w.Plan.Generation {
		kept.NotBefore = made.NotBefore // if it is written only now, the lead begins now
		made = kept.Secret
	}
	k.kept[r.Object.UID] = announced{made, w.Version}
	return Step{Change: Announced, Secret: compose(r, there, w.Plan.Announced(w.State, made.Credential, now), there.Data[w.SecretKey])}, nil
}

// Forget forgets the secret that was announced for an application that is gone.
func (k *Keeper) Forget(uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.kept, uid)
}

func idOf(s *credential.Secret) string {
	if s == nil {
		return ""
	}
	return s.ID
}

func versionOf(s *corev1.Secret) string {
	if s == nil {
		return ""
	}
	return Version(s)
}
