package people

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// maxBcryptCost bounds what one sign-in may cost: about a second at 14.
	maxBcryptCost = 14
	// maxBcryptPassword: bcrypt does not look at what comes after.
	maxBcryptPassword = 72
)

// bcryptHash is version, cost, and 22 characters of salt before 31 of the sum.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

// checkBcrypt says what is wrong with a hash. Its errors do not contain it.
func checkBcrypt(hash string) error {
	parts := bcryptHash.FindStringSubmatch(hash)
	if parts == nil {
		return errors.New("not a readable bcrypt hash: it must be $2b$, two digits, $ and 53 characters")
	}
	cost, _ := strconv.Atoi(parts[1]) // two digits
	if cost < bcrypt.MinCost || cost > maxBcryptCost {
		return fmt.Errorf("a bcrypt cost of %d; only %d to %d is read", cost, bcrypt.MinCost, maxBcryptCost)
	}
	return nil
}

// verifyBcrypt compares in constant time. bcrypt cuts at 72 bytes, and repeats what is
// shorter after a zero byte; a password of which it would see only a part, or which it
// takes for another one, is refused (ASVS 6.2.8), after the same work.
func verifyBcrypt(hash, password string) bool {
	if checkBcrypt(hash) != nil {
		return false
	}
	right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	return right && len(password) <= maxBcryptPassword && !strings.Contains(password, "\x00")
}
