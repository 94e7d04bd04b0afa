package credential

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// Bounds of an annotation. Whoever may write the Secret may write anything into it.
const (
	maxCredentials = 16
	maxBytes       = 8 << 10
)

// written is a Credential as the annotation has it.
type written struct {
	ID         string    `json:"id"`
	Digest     string    `json:"digest"` // hexadecimal
	NotBefore  time.Time `json:"notBefore"`
	NotAfter   time.Time `json:"notAfter,omitzero"`
	Generation int64     `json:"generation"`
}

// Format writes credentials, oldest first, as an annotation's value.
func Format(credentials []Credential) string {
	list := make([]written, len(credentials))
	for i, c := range credentials {
		list[i] = written{c.ID, hex.EncodeToString(c.Digest[:]), c.NotBefore, c.NotAfter, c.Generation}
	}
	text, err := json.Marshal(list)
	if err != nil { // only for a year that has not four digits
		panic(err)
	}
	return string(text)
}

var errAnnotation = errors.New("is not as Gatehouse writes it")

// Parse reads what Format wrote. What somebody else wrote is an error, and never a secret
// that works.
func Parse(annotation string) ([]Credential, error) {
	if len(annotation) > maxBytes {
		return nil, errAnnotation
	}
	var list []written
	if err := json.Unmarshal([]byte(annotation), &list); err != nil || len(list) > maxCredentials {
		return nil, errAnnotation
	}
	var all []Credential
	known := map[string]bool{}
	for _, w := range list {
		c := Credential{ID: w.ID, NotBefore: w.NotBefore.UTC(), NotAfter: w.NotAfter.UTC(), Generation: w.Generation}
		n, err := hex.Decode(c.Digest[:], []byte(first(w.Digest, 2*len(c.Digest))))
		if err != nil || n != len(c.Digest) || c.ID != idOf(c.Digest) || known[c.ID] || c.NotBefore.IsZero() {
			return nil, errAnnotation
		}
		known[c.ID] = true
		all = append(all, c)
	}
	return all, nil
}

// first is the text if it has the length, else nothing.
func first(text string, length int) string {
	if len(text) != length {
		return ""
	}
	return text
}
