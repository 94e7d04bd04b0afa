package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/internal/graph"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
)

func graphCommand() *cobra.Command {
	var output, organization, systemNamespace string
	var assumeSecrets bool
	cmd := &cobra.Command{
		Use:   "graph [PATH...]",
		Short: "Show who can do what, and why",
		Long: `Show what declarations give to whom, in each Organization: its Roles with where each
scope comes from, people and applications with the Roles that they have it through.
Nothing is contacted.

Each PATH is a YAML or JSON file, a directory with everything below it, or - for
standard input, which is also the default.

--output html is one page without script that can be kept and sent around. It names people:
keep it where the declarations themselves may be kept.

Exit code: 0; 1 if there is no such Organization; 2 if something cannot be read.`,
		Example: `  gatehouse graph config/samples
  gatehouse graph --organization acme config/
  gatehouse graph --output html config/ > access.html`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if output != "text" && output != "html" {
				return usageError("--output: %q must be text or html", output)
			}
			if len(paths) == 0 {
				paths = []string{manifest.Stdin}
			}
			set, problems := manifest.Load(paths, manifest.Options{SystemNamespace: systemNamespace, Stdin: cmd.InOrStdin()})
			if len(problems) > 0 {
				return &exitError{exitUsage, unreadable(problems)}
			}
			in := set.Input(offlineKey)
			in.AnySlug, in.AssumeOutputs = !set.Has("Namespace"), true
			if assumeSecrets {
				in = in.AssumingSecrets()
			}
			tree := graph.New(in, organization)
			if len(tree) == 0 && organization != "" {
				return fmt.Errorf("no Organization with the slug %q is served; see `gatehouse graph` without --organization", organization)
			}
			if output == "html" {
				return graph.HTML(cmd.OutOrStdout(), tree)
			}
			return graph.Text(cmd.OutOrStdout(), tree)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or html")
	f.StringVar(&organization, "organization", "", "slug of the one Organization to show; default: all")
	f.StringVar(&systemNamespace, "system-namespace", defaultSystemNamespace, "namespace of installation-wide AuthProviders")
	f.BoolVar(&assumeSecrets, "assume-secrets", true, "take Secrets that are not among the files for there")
	return cmd
}
