package people

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// params are argon2id's (RFC 9106); today's are OWASP's first choice.
type params struct {
	memory, time uint32 // KiB, passes
	threads      uint8
}

var today = params{memory: 19 << 10, time: 2, threads: 1}

const (
	saltSize = 16
	hashSize = 32
	// maxMemory bounds what one sign-in may take, in KiB.
	maxMemory = 128 << 10
)

// Hash returns the argon2id hash of a password in PHC format, with a salt of its own.
func Hash(password string) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	return today.format(salt, today.derive(password, salt))
}

// verify compares in constant time. current is false for a hash that today would be made
// in another way. A hash that cannot be read is nobody's.
func verify(hash, password string) (right, current bool) {
	if isBcrypt(hash) {
		return verifyBcrypt(hash, password), false
	}
	p, salt, want, err := parse(hash)
	if err != nil {
		return false, true
	}
	return subtle.ConstantTimeCompare(p.derive(password, salt), want) == 1, p == today
}

func (p params) derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, hashSize)
}

func (p params) format(salt, sum []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.time, p.threads, e.EncodeToString(salt), e.EncodeToString(sum))
}

// parse reads a PHC string. Parameters are bounded, so that a row of the database cannot
// take all memory. Its errors do not contain the hash.
func parse(hash string) (p params, salt, sum []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, fmt.Errorf("not an argon2id hash of version %d", argon2.Version)
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, nil, nil, errors.New("parameters of argon2id are not readable; write them like m=19456,t=2,p=1")
	}
	if p.threads == 0 || p.threads > 16 || p.memory < 8*uint32(p.threads) || p.memory > maxMemory || p.time == 0 || p.time > 10 {
		return p, nil, nil, fmt.Errorf("parameters of argon2id out of range: m=%d,t=%d,p=%d; at most m=%d,t=10,p=16 is read",
			p.memory, p.time, p.threads, maxMemory)
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return p, nil, nil, errors.New("salt of argon2id is not readable; it must be 8 to 64 bytes in base64")
	}
	if sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(sum) != hashSize {
		return p, nil, nil, fmt.Errorf("sum of argon2id is not readable; it must be %d bytes in base64", hashSize)
	}
	if p.format(salt, sum) != hash { // what was skipped in reading
		return p, nil, nil, errors.New("not an argon2id hash in PHC format")
	}
	return p, salt, sum, nil
}
