// Package credential is the life of the client secrets that Gatehouse makes, as a pure state
// machine: time and randomness are passed in. It never writes anything, and keeps of a
// secret nothing but its digest.
//
// State is what is known of one application's secrets; it lives in an annotation of the
// Secret that they are written to (annotation.go). Plan.Next, in lifecycle.go, says what to
// do next.
package credential

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Prefix marks a client secret, so that scanners for leaked secrets can tell one.
const Prefix = "gcs_"

// Credential is one client secret as it is known: by its digest.
type Credential struct {
	ID         string // tells it from others, and tells nothing of it
	Digest     model.SecretDigest
	NotBefore  time.Time
	NotAfter   time.Time // zero: none has taken its place yet
	Generation int64     // that was declared when it was made
}

func (c Credential) live(now time.Time) bool { return c.NotAfter.IsZero() || now.Before(c.NotAfter) }

// Secret is a client secret that was just made. It is the only place that has the secret
// itself, until it is written.
type Secret struct {
	Credential
	Plain model.Sensitive
}

// Make makes a secret of 256 bits that works from now on, digested under the key.
func Make(random io.Reader, key model.Sensitive, generation int64, now time.Time) (*Secret, error) {
	var raw [32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return nil, fmt.Errorf("make client secret: %w", err)
	}
	plain := []byte(Prefix + base64.RawURLEncoding.EncodeToString(raw[:]))
	digest := model.SecretDigest(key.Digest(plain))
	return &Secret{
		Credential: Credential{ID: idOf(digest), Digest: digest, NotBefore: seconds(now), Generation: generation},
		Plain:      model.NewSensitive(plain),
	}, nil
}

// idOf is the beginning of the digest, which tells nothing without the key.
func idOf(digest model.SecretDigest) string { return hex.EncodeToString(digest[:4]) }

// seconds is what an annotation and a status have of a time.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
