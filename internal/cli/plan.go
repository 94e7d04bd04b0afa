package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/gatehouse-dev/gatehouse/controllers"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/plan"
)

// Exit codes of plan. It keeps 2 and 3 for what it found, so all that fails is 1.
const (
	exitPlanBroken  = 1
	exitPlanChanged = 2
	exitPlanWidened = 3
)

type planOptions struct {
	output, systemNamespace, context string
	assumeSecrets, prune             bool
}

func planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan OLD NEW | plan DIR",
		Short: "Say what a change of declarations gives and takes, and from whom",
		Long: `Compare what is served with what would be: who gains or loses what in which organization.
Whatever lets somebody do more than before is marked as widened.

With two arguments, the declarations of OLD are compared with those of NEW; nothing is
contacted. With one, DIR is compared with the cluster that the usual client configuration
names (KUBECONFIG), as if it was applied: objects that DIR does not have stay as they are,
or, with --prune, are deleted. Only the four kinds and Namespaces are listed there, never
Secrets.

OLD, NEW and DIR are a YAML or JSON file, a directory with everything below it, or - for
standard input. What is written otherwise and means the same is no change.

Exit code: 0 nothing changes, 2 something changes, 3 somebody may do more than before,
1 the plan cannot be made, NEW has a mistake that OLD has not, or a cluster would refuse it
(some fields never change).

--output json prints one object:
  {"outcome": "same|changed|widened|broken", "widened": 1, "narrowed": 0, "changed": 0,
   "changes": [{"effect", "organization", "subject": {"kind", "namespace", "name",
                "clientID"}, "field", "gains": [{"name", "until", "was", "through"}],
                "loses": [the same], "before", "after"}],
   "verdicts": [{"worse", "weak", "stops", "object", "field", "reason", "message"}]}
Fields that say nothing are left out. --output markdown is for a comment on a pull request.`,
		Example: `  gatehouse plan main/ branch/
  gatehouse plan config/
  git worktree add ../base main && gatehouse plan --output markdown ../base/config config
  kustomize build overlays/production | gatehouse plan --prune -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 2 {
				return planError(fmt.Errorf("plan takes OLD and NEW, or one DIR to compare with the cluster; see `%s --help`", cmd.CommandPath()))
			}
			return nil
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return planError(flagsFromEnvironment(cmd.Flags())) },
		RunE: func(cmd *cobra.Command, paths []string) error {
			p, err := o.plan(cmd, paths)
			if err == nil {
				err = printPlan(cmd.OutOrStdout(), p, o.output)
			}
			if err != nil {
				return planError(err)
			}
			return planExit(p.Outcome)
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return planError(fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath()))
	})
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "text, json or markdown")
	f.StringVar(&o.systemNamespace, "system-namespace", defaultSystemNamespace, "namespace of installation-wide AuthProviders")
	f.StringVar(&o.context, "context", "", "context of the client configuration; default: the current one")
	f.BoolVar(&o.assumeSecrets, "assume-secrets", true, "take Secrets that are not among the files for there; with a cluster always")
	f.BoolVar(&o.prune, "prune", false, "against the cluster: objects that DIR does not have are deleted")
	return cmd
}

// planError is an error with the code for what is broken, whatever it had before.
func planError(err error) error {
	var exit *exitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return &exitError{exitPlanBroken, exit.err}
	}
	return &exitError{exitPlanBroken, err}
}

func planExit(o plan.Outcome) error {
	switch o {
	case plan.OutcomeSame:
		return nil
	case plan.OutcomeChanged:
		return &exitError{code: exitPlanChanged}
	case plan.OutcomeWidened:
		return &exitError{code: exitPlanWidened}
	case plan.OutcomeBroken:
	}
	return &exitError{code: exitPlanBroken}
}

func (o planOptions) plan(cmd *cobra.Command, paths []string) (*plan.Plan, error) {
	if !slices.Contains([]string{"text", "json", "markdown"}, o.output) {
		return nil, fmt.Errorf("--output: %q must be text, json or markdown", o.output)
	}
	if len(paths) == 2 && (o.prune || o.context != "") {
		return nil, errors.New("--prune and --context are read only against a cluster; give one DIR")
	}
	if len(paths) == 2 && paths[0] == manifest.Stdin && paths[1] == manifest.Stdin {
		return nil, errors.New("standard input can be read once; give a file or a directory for the other")
	}
	sets := make([]*manifest.Set, len(paths))
	for i, path := range paths {
		set, problems := manifest.Load([]string{path}, manifest.Options{SystemNamespace: o.systemNamespace, Stdin: cmd.InOrStdin()})
		if len(problems) > 0 {
			return nil, unreadable(problems)
		}
		sets[i] = set
	}
	old, next, err := o.inputs(cmd.Context(), sets)
	if err != nil {
		return nil, err
	}
	p := plan.Compare(plan.NewState(old), plan.NewState(next))
	for _, refused := range sets[len(sets)-1].Transitions(old) {
		id := refused.Object
		p.Refuse(plan.Subject{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}, refused.Field, refused.Message)
	}
	return &p, nil
}

// offlineKey digests nothing that leaves the process.
var offlineKey = model.NewSensitive("offline")

// inputs are the two configurations to compare.
func (o planOptions) inputs(ctx context.Context, sets []*manifest.Set) (old, next compile.Input, err error) {
	if len(sets) == 1 {
		if old, err = o.cluster(ctx); err != nil {
			return old, next, err
		}
		return old.AssumingSecrets(), applied(sets[0], old, o.prune).AssumingSecrets(), nil
	}
	old, next = sets[0].Input(offlineKey), sets[1].Input(offlineKey)
	// Without Namespaces on either side nobody can tell which slugs are granted.
	anySlug := !sets[0].Has("Namespace") || !sets[1].Has("Namespace")
	old.AnySlug, next.AnySlug = anySlug, anySlug
	old.AssumeOutputs, next.AssumeOutputs = true, true
	if o.assumeSecrets {
		old, next = old.AssumingSecrets(), next.AssumingSecrets()
	}
	return old, next, nil
}

func (o planOptions) cluster(ctx context.Context) (compile.Input, error) {
	access, err := config.GetConfigWithContext(o.context)
	if err != nil {
		return compile.Input{}, fmt.Errorf("find a cluster: %w; set KUBECONFIG, or compare two directories", err)
	}
	in, err := controllers.Read(ctx, access)
	if err != nil {
		return in, fmt.Errorf("read the cluster: %w", err)
	}
	in.SystemNamespace, in.DigestKey = o.systemNamespace, offlineKey
	return in, nil
}

func printPlan(w io.Writer, p *plan.Plan, output string) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(p)
	case "markdown":
		return p.Markdown(w)
	default:
		return p.Text(w)
	}
}
