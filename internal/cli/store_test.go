package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestABackupIsNotWrittenOnATerminal(t *testing.T) {
	dir := t.TempDir()
	db, err := openStore(t.Context(), dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip(err) // no terminals here
	}
	defer func() { _ = terminal.Close() }()
	var complaints bytes.Buffer
	code := Main([]string{"store", "backup", "-", "--data-dir", dir}, nil, terminal, &complaints)
	if code != exitUsage || !strings.Contains(complaints.String(), "nothing to read on a terminal") {
		t.Errorf("%d %s", code, complaints.String())
	}
}
