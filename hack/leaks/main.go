// Command leaks searches everything that a test run emitted (logs, answers to kubectl,
// databases) for every live secret that the run used. It fails if it finds one, and if
// there was nothing to look for.
//
//	go run ./hack/leaks DIR
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/test/leaks"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: leaks DIR")
		os.Exit(2)
	}
	if err := search(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "leaks:", err)
		os.Exit(1)
	}
}

func search(dir string) error {
	secrets, err := read(filepath.Join(dir, leaks.SecretsFile))
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, leaks.EmittedPrefix+"*"))
	if err != nil {
		return err
	}
	if len(secrets) == 0 || len(files) == 0 {
		return fmt.Errorf("%d secrets and %d files: there was nothing to look for", len(secrets), len(files))
	}
	found, size := 0, 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		size += len(content)
		for at := 0; at+headSize <= len(content); at++ {
			for _, form := range secrets[[headSize]byte(content[at:])] {
				if bytes.HasPrefix(content[at:], []byte(form)) {
					found++
					fmt.Printf("%s holds a live secret at byte %d: …%q‹secret›\n", filepath.Base(file), at, content[max(0, at-80):at])
				}
			}
		}
	}
	if found > 0 {
		return fmt.Errorf("%d leaks", found)
	}
	fmt.Printf("leaks: none of %d beginnings of live secrets in %d files, %d KiB\n", len(secrets), len(files), size>>10)
	return nil
}

// headSize is how much of a form it is found by; none is shorter.
const headSize = leaks.Shortest

// read returns the secrets in every form that they may be written in, by how they begin.
func read(path string) (map[[headSize]byte][]string, error) {
	lines, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	forms := map[[headSize]byte][]string{}
	for line := range strings.Lines(string(lines)) {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		s := string(secret)
		for _, form := range []string{s, url.QueryEscape(s), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret)} {
			if head := [headSize]byte([]byte(form)); !slices.Contains(forms[head], form) {
				forms[head] = append(forms[head], form)
			}
		}
	}
	return forms, nil
}
