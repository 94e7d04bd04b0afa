package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-dev/gatehouse/internal/keyring"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Back up the store",
	}
	dataDir := dataDirFlag(cmd.PersistentFlags())
	cmd.AddCommand(storeBackupCommand(dataDir))
	return cmd
}

func storeBackupCommand(dataDir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE | -",
		Short: "Write a consistent copy of the store to a new file; the server may be running",
		Long: `Write a consistent copy of the store to a new file that only you may read, or with - to
standard output. The server may be running: the copy holds everything that was
acknowledged before the command began. It is checked before it appears under its name, or
before its first byte is written. With - it is made in the directory for temporary files
(TMPDIR), which needs the room.

It does not hold the keys: back up keyring.json, beside the store, apart from it, or in a
cluster the Secret gatehouse-keyring. To restore, put both into an empty data directory,
the copy as gatehouse.db.`,
		Example: `  gatehouse store backup /backup/gatehouse-$(date +%F).db --data-dir /var/lib/gatehouse
  kubectl exec -n gatehouse-system deploy/gatehouse -- gatehouse store backup - > gatehouse.db`,
		Args: oneArgument("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from := filepath.Join(*dataDir, storeFile)
			if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
				return noStore(*dataDir)
			}
			if args[0] == "-" {
				return storeToOutput(cmd, from, *dataDir)
			}
			err := store.BackupSQLite(cmd.Context(), from, args[0])
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already; give another name", args[0])
			}
			if err != nil {
				return fmt.Errorf("back up %s: %w", from, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "backed up %s to %s\n", from, args[0])
			keysApart(cmd, *dataDir)
			return nil
		},
	}
}

// storeToOutput writes the copy to standard output, once it is whole.
func storeToOutput(cmd *cobra.Command, from, dataDir string) (err error) {
	out := cmd.OutOrStdout()
	if f, isFile := out.(*os.File); isFile && term.IsTerminal(int(f.Fd())) {
		return usageError("a backup is nothing to read on a terminal; write it to a file with > FILE, and with kubectl exec without -t")
	}
	dir, err := os.MkdirTemp("", "gatehouse-backup-") // 0700
	if err != nil {
		return fmt.Errorf("back up %s: %w; choose another directory with TMPDIR", from, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, storeFile)
	if err := store.BackupSQLite(cmd.Context(), from, path); err != nil {
		return fmt.Errorf("back up %s to %s: %w", from, dir, err)
	}
	whole, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	defer func() { _ = whole.Close() }()
	// Nothing is left behind if the reader goes away, which ends the process.
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("back up %s: %w", from, err)
	}
	if _, err := io.Copy(out, whole); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	keysApart(cmd, dataDir)
	return nil
}

// keysApart says where the keys are, which no backup of the store holds.
func keysApart(cmd *cobra.Command, dataDir string) {
	at := filepath.Join(dataDir, keyring.FileName)
	if _, of, err := keyring.Read(dataDir); err == nil && of != "" {
		at = "Secret " + of
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The keys are not in it: back up %s apart from it.\n", at)
}
