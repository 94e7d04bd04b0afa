package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

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
		Use:   "backup FILE",
		Short: "Write a consistent copy of the store to a new file; the server may be running",
		Long: `Write a consistent copy of the store to a new file that only you may read. The server may
be running: the copy holds everything that was acknowledged before the command began. It
is checked before it appears under its name.

It does not hold the keys: back up keyring.json, beside the store, apart from it. To
restore, put both into an empty data directory, the copy as gatehouse.db.`,
		Example: `  gatehouse store backup /backup/gatehouse-$(date +%F).db --data-dir /var/lib/gatehouse`,
		Args:    oneArgument("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from := filepath.Join(*dataDir, storeFile)
			if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
				return noStore(*dataDir)
			}
			err := store.BackupSQLite(cmd.Context(), from, args[0])
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already; give another name", args[0])
			}
			if err != nil {
				return fmt.Errorf("back up %s: %w", from, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "backed up %s to %s\n", from, args[0])
			fmt.Fprintf(cmd.ErrOrStderr(), "The keys are not in it: back up %s apart from it.\n", filepath.Join(*dataDir, keyring.FileName))
			return nil
		},
	}
}
