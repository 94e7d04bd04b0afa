package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/server/people"
	"github.com/gatehouse-dev/gatehouse/server/store"
)

func userImportCommand(dataDir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE|-",
		Short: "Create people who bring the hashes of their passwords",
		Long: `Create the people that a file describes, one JSON object a line:

  {"email": "ann@acme.com", "name": "Ann Lee", "passwordHash": "$2b$12$…", "disabled": false}

name and disabled may be left out. passwordHash is bcrypt ($2a$, $2b$ or $2y$, cost at most
14) or argon2id in PHC format (at most 128 MiB and 10 passes). A bcrypt hash is replaced by
argon2id the next time its owner signs in. bcrypt looks at no more than 72 bytes: whoever
has a longer password is refused and needs a new one.

Every line is judged before anything is written. If one is bad, all bad ones are named by
number and nobody is imported. The addresses count as proven, by you. At most 10,000 lines.`,
		Example: `  gatehouse user import people.jsonl
  export-people | gatehouse user import -`,
		Args: oneArgument("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageError("%w", err)
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			return withStore(cmd.Context(), *dataDir, true, func(db *store.DB) error { return importPeople(cmd, db, in) })
		},
	}
}

func importPeople(cmd *cobra.Command, db *store.DB, in io.Reader) error {
	n, err := people.Import(cmd.Context(), db, in, "operator", time.Now())
	if err != nil {
		return fmt.Errorf("nobody was imported:\n%w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "imported %d\n", n)
	return nil
}
