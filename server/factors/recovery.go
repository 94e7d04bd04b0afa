package factors

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// RecoveryCodes is how many somebody gets at a time.
const RecoveryCodes = 10

// A recovery code has 120 random bits. From 112 on a keyed hash is enough in the store (ASVS
// 6.5.2), and nobody guesses one.
const (
	recoverySize   = 15
	recoveryLength = recoverySize * 8 / 5 // in base32, which fits without a rest
)

// NewRecoveryCodes makes codes as they are shown: groups of four letters and digits.
func NewRecoveryCodes() []string {
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		raw := make([]byte, recoverySize)
		_, _ = rand.Read(raw) // never fails
		codes[i] = strings.Join(groups(base32.StdEncoding.EncodeToString(raw)), "-")
	}
	return codes
}

// ParseRecoveryCode returns the code that was typed without its groups. ok is false for
// what cannot be one, such as a code of an app. The digits 0 and 1 are in no code: who reads
// them has read letters.
func ParseRecoveryCode(typed string) (code string, ok bool) {
	code = strings.NewReplacer("0", "O", "1", "I").Replace(strings.ToUpper(Typed(typed)))
	if len(code) != recoveryLength {
		return "", false
	}
	_, err := base32.StdEncoding.DecodeString(code)
	return code, err == nil
}

// HashRecoveryCode is what the store has of a person's code, as typed; nil: it can be none.
func (v *Vault) HashRecoveryCode(userID, typed string) []byte {
	code, ok := ParseRecoveryCode(typed)
	if !ok {
		return nil
	}
	sum := v.lookup.Digest([]byte("recovery code " + code + " of " + userID))
	return sum[:]
}

// HashRecoveryCodes hashes codes that were made just now.
func (v *Vault) HashRecoveryCodes(userID string, codes []string) [][]byte {
	hashes := make([][]byte, len(codes))
	for i, code := range codes {
		hashes[i] = v.HashRecoveryCode(userID, code)
	}
	return hashes
}
