package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// terminal is what the command reads from, if somebody is there to be asked; else nil.
func terminal(cmd *cobra.Command) *os.File {
	f, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// ask prints a prompt and returns the line that is typed on the terminal, without the white
// space around it.
func ask(cmd *cobra.Command, from *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}
