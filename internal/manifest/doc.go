// Package manifest reads declarations from YAML files into a compile.Input, as a cluster
// would have admitted them: the same schemas, defaults and CEL rules are applied, unknown
// fields are refused, and every problem says in which file and line it is.
//
// A Set is what was read. It decides nothing beyond what an API server decides on its own;
// what the declarations mean is compile's business. Watch keeps a Set up to date with its
// files: one that cannot be read never replaces one that could, because a load error is not
// absence. No message ever quotes a Secret.
//
// Start reading at Load.
package manifest
