package people

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	zxcvbn "github.com/ccojocar/zxcvbn-go"
)

const (
	minLength = 12
	maxLength = 256 // characters; hashing has no length of its own at which it cuts
	// minOwn is what must remain of a password without the words that anybody could guess.
	minOwn = 8
	// minContextWord: shorter words would refuse passwords by chance.
	minContextWord = 3
	// estimated bounds the estimate of strength, whose time grows faster than its input.
	estimated = 64
	// minScore: 10^8 guesses, zxcvbn's "safely unguessable" under throttling.
	minScore = 3
)

// productWords are guessed first of all here (ASVS 6.1.2).
var productWords = []string{"gatehouse", "password", "passwort", "kubernetes"}

// Policy is what a new password must satisfy. There are no rules of composition: any
// characters count, spaces and emoji too (ASVS 6.2.5).
type Policy struct {
	MinLength   int      // characters; 0, or anything below 8, is 12
	AllowCommon bool     // do not compare with common passwords
	Context     []string // words of the installation: organizations, host names
}

// Check says what is wrong with the password of a person, and how to cure it. Its errors
// never contain the password.
func (p Policy) Check(password, email, name string) error {
	least := p.Least()
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return errors.New("the password is not valid UTF-8; type it on a terminal that uses UTF-8")
	case n < least:
		return fmt.Errorf("the password has %d characters; use at least %d, for example four random words", n, least)
	case n > maxLength:
		return fmt.Errorf("the password has %d characters; use at most %d", n, maxLength)
	}
	words := append(contextWords(append([]string{email, name}, p.Context...)), productWords...)
	if own(password, words) < minOwn {
		return errors.New("the password is made of your name, your address or words of this installation; use other words, for example four random ones")
	}
	if !p.AllowCommon && zxcvbn.PasswordStrength(head(password, estimated), words).Score < minScore {
		return errors.New("the password is common or easy to guess; use another one, for example four random words")
	}
	return nil
}

// Least is how many characters a password must have.
func (p Policy) Least() int {
	if p.MinLength < 8 {
		return minLength
	}
	return p.MinLength
}

// own counts the characters of the password that belong to none of the words.
func own(password string, words []string) int {
	rest := strings.ToLower(password)
	for _, w := range words {
		rest = strings.ReplaceAll(rest, w, "")
	}
	return utf8.RuneCountInString(rest)
}

// contextWords splits into words in lower case, the whole first.
func contextWords(texts []string) (words []string) {
	for _, text := range texts {
		text = strings.ToLower(text)
		parts := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		for _, w := range append([]string{text}, parts...) {
			if utf8.RuneCountInString(w) >= minContextWord {
				words = append(words, w)
			}
		}
	}
	return words
}

func head(s string, characters int) string {
	for i := range s {
		if characters == 0 {
			return s[:i]
		}
		characters--
	}
	return s
}
