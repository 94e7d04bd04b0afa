// Package cli is the command line: the only package that knows all the others.
package cli

import "io"

// Main runs one command and returns the process's exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	panic("not written yet")
}
