package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

func validateCommand() *cobra.Command {
	var output, systemNamespace string
	var assumeSecrets, strict bool
	cmd := &cobra.Command{
		Use:   "validate [PATH...]",
		Short: "Check declarations, offline",
		Long: `Check declarations as a cluster and the server would: the schema, its rules, and what
the declarations mean together. Nothing is contacted.

Each PATH is a YAML or JSON file, a directory with everything below it, or - for
standard input, which is also the default. Documents of other kinds are left out.

What the files do not hold cannot be checked:
  without a Namespace among them, every slug counts as granted to its namespace;
  without a Secret among them, references to Secrets are noted and not judged;
  with --assume-secrets, Secrets that are not among them count as there.

Warnings are what is right, and served, and weakens: what status says as Insecure.

Exit code: 0 without findings, 1 with findings, 2 if something cannot be read.
With --strict, warnings are findings.

--output json prints one object:
  {"files": 2, "objects": 7,
   "findings": [{"file", "line", "kind", "namespace", "name", "field",
                 "reason", "message", "cure"}],
   "warnings": [the same], "notes": [the same]}
reason is one of the reasons of docs/conditions.md, or Refused (an API server would
refuse the object), or Unreadable. Fields that say nothing are left out.
--output sarif is SARIF 2.1.0 for code scanning, --output junit a test report with a test
for each object, whose warnings are in system-out. Their paths are those that were given: run it where the repository begins.`,
		Example: `  gatehouse validate config/samples
  kustomize build overlays/production | gatehouse validate --assume-secrets
  gatehouse validate --output json DIR | jq '.findings[].message'
  gatehouse validate --output sarif config/ > gatehouse.sarif`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			print, known := validateOutputs[output]
			if !known {
				return usageError("--output: %q must be text, json, sarif or junit", output)
			}
			if len(paths) == 0 {
				paths = []string{manifest.Stdin}
			}
			r := validate(paths, manifest.Options{SystemNamespace: systemNamespace, Stdin: cmd.InOrStdin()}, assumeSecrets)
			if strict {
				r.beStrict()
			}
			if err := print(cmd.OutOrStdout(), &r); err != nil {
				return err
			}
			return r.exit()
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text, json, sarif or junit")
	cmd.Flags().StringVar(&systemNamespace, "system-namespace", defaultSystemNamespace, "namespace of installation-wide AuthProviders")
	cmd.Flags().BoolVar(&assumeSecrets, "assume-secrets", false, "take Secrets that are not among the files for there")
	cmd.Flags().BoolVar(&strict, "strict", false, "take warnings for findings")
	return cmd
}

// validateOutputs are the forms of a validation.
var validateOutputs = map[string]func(io.Writer, *validation) error{
	"text": validationText, "json": validationJSON, "sarif": validationSARIF, "junit": validationJUnit,
}

// validation is what `validate --output json` prints; its shape is stable.
type validation struct {
	Files    int         `json:"files"`
	Objects  int         `json:"objects"`
	Findings []validated `json:"findings"`
	Warnings []validated `json:"warnings"`
	Notes    []validated `json:"notes"`

	right []validated // objects without findings: their kind, name and place
}

type validated struct {
	File      string `json:"file"`
	Line      int    `json:"line,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Field     string `json:"field,omitempty"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Cure      string `json:"cure,omitempty"`
}

func validate(paths []string, o manifest.Options, assumeSecrets bool) validation {
	set, problems := manifest.Load(paths, o)
	v := validation{Files: set.Files, Objects: set.Declared, Findings: []validated{}, Warnings: []validated{}, Notes: []validated{}}
	for _, p := range problems {
		v.Findings = append(v.Findings, fromProblem(p))
	}
	for _, p := range set.Notes {
		v.Notes = append(v.Notes, fromProblem(p))
	}
	in := set.Input(offlineKey)
	in.AnySlug, in.AssumeOutputs = !set.Has("Namespace"), true
	if assumeSecrets {
		in = in.AssumingSecrets()
	}
	for _, report := range compile.Compile(in).Reports {
		if len(report.Findings) == 0 {
			v.right = append(v.right, fromFinding(set, report, compile.Finding{}))
		}
		if !report.NotServed {
			for _, weak := range report.Weak {
				v.Warnings = append(v.Warnings, fromFinding(set, report, weak))
			}
		}
		for _, finding := range report.Findings {
			f := fromFinding(set, report, finding)
			if finding.Reason == v1alpha1.ReasonSecretNotFound && !set.Has("Secret") {
				f.Cure = ""
				v.Notes = append(v.Notes, f)
			} else {
				v.Findings = append(v.Findings, f)
			}
		}
	}
	slices.SortStableFunc(v.Findings, byPlace)
	slices.SortStableFunc(v.Warnings, byPlace)
	slices.SortStableFunc(v.Notes, byPlace)
	slices.SortStableFunc(v.right, byPlace)
	return v
}

func byPlace(a, b validated) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

// beStrict makes findings of the warnings.
func (v *validation) beStrict() {
	v.Findings = append(v.Findings, v.Warnings...)
	slices.SortStableFunc(v.Findings, byPlace)
	v.right = slices.DeleteFunc(v.right, func(o validated) bool {
		return slices.ContainsFunc(v.Warnings, o.sameObject)
	})
	v.Warnings = []validated{}
}

func (v validated) sameObject(other validated) bool {
	return v.File == other.File && objectName(v) == objectName(other)
}

func fromProblem(p manifest.Problem) validated {
	return validated{
		File: p.File, Line: p.Line, Kind: p.Object.Kind, Namespace: p.Object.Namespace, Name: p.Object.Name,
		Field: p.Field, Reason: string(p.Cause), Message: p.Message,
	}
}

func fromFinding(set *manifest.Set, r *compile.Report, f compile.Finding) validated {
	at := set.Position(r.Object, f.Field)
	v := validated{
		File: at.File, Line: at.Line, Kind: r.Object.Kind, Namespace: r.Object.Namespace, Name: r.Object.Name,
		Field: f.Field, Reason: string(f.Reason), Message: strings.TrimPrefix(f.Message, f.Field+": "),
	}
	for _, verdict := range v1alpha1.Verdicts {
		if verdict.Reason == f.Reason {
			v.Cure = verdict.Cure
		}
	}
	return v
}

// foreign reports whether it says no more than that an object is for somebody else: every
// repository is full of them.
func (v validated) foreign() bool {
	return v.Reason == string(manifest.Ignored) && v.Kind != "Secret"
}

// String is the finding in one line. Most messages end in a cure of their own, which is
// more precise than the reason's; the latter is shown where there is none.
func (v validated) String() string {
	line := manifest.Problem{
		Position: manifest.Position{File: v.File, Line: v.Line},
		Object:   model.ObjectID{Kind: v.Kind, Namespace: v.Namespace, Name: v.Name},
		Field:    v.Field, Message: v.Message,
	}.Error()
	if v.Cure != "" && !strings.Contains(v.Message, "; ") {
		line += " (" + v.Cure + ")"
	}
	return line
}

func validationJSON(w io.Writer, v *validation) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func validationText(w io.Writer, v *validation) error {
	for _, f := range v.Findings {
		fmt.Fprintln(w, f)
	}
	for _, f := range v.Warnings {
		fmt.Fprintln(w, "warning:", f)
	}
	foreign := 0
	for _, n := range v.Notes {
		if n.foreign() {
			foreign++
		} else {
			fmt.Fprintln(w, "note:", n)
		}
	}
	if foreign > 0 {
		fmt.Fprintf(w, "note: %s of other kinds left out\n", count(foreign, "object"))
	}
	found := count(len(v.Findings), "finding")
	if len(v.Warnings) > 0 {
		found += ", " + count(len(v.Warnings), "warning")
	}
	_, err := fmt.Fprintf(w, "%s in %s: %s\n", count(v.Objects, "object"), count(v.Files, "file"), found)
	return err
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// exit is the answer as an exit code; what there is to say has been printed.
func (v validation) exit() error {
	code := exitOK
	for _, f := range v.Findings {
		code = max(code, exitFindings)
		if f.Reason == string(manifest.Unreadable) {
			code = exitUsage
		}
	}
	if code == exitOK {
		return nil
	}
	return &exitError{code: code}
}
