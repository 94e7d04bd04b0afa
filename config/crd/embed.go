// Package crd holds the CustomResourceDefinitions of the four kinds, generated from
// api/v1alpha1. They are in the binary so that declarations are judged offline by the very
// schemas that a cluster applies.
package crd

import "embed"

// FS holds one YAML file for each CustomResourceDefinition.
//
//go:embed auth.gatehouse.dev_*.yaml
var FS embed.FS
