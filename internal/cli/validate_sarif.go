package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/manifest"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// The parts of SARIF 2.1.0 that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Help  sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// validationSARIF writes findings as errors, warnings as warnings, notes as notes, and each reason as a rule.
func validationSARIF(w io.Writer, v *validation) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "gatehouse", Version: version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	for _, list := range []struct {
		level string
		all   []validated
	}{{"error", v.Findings}, {"warning", v.Warnings}, {"note", v.Notes}} {
		for _, f := range list.all {
			if f.foreign() {
				continue
			}
			run.Results = append(run.Results, run.result(f, list.level))
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func (r *sarifRun) result(f validated, level string) sarifResult {
	rules := &r.Tool.Driver.Rules
	i := slices.IndexFunc(*rules, func(rule sarifRule) bool { return rule.ID == f.Reason })
	if i < 0 {
		i = len(*rules)
		*rules = append(*rules, rule(f.Reason))
	}
	place := f
	place.File, place.Line = "", 0 // which the location says
	location := sarifLocation{Physical: sarifPhysical{sarifArtifact{uriOf(f.File)}, sarifRegion{max(f.Line, 1)}}}
	if f.Kind != "" {
		location.Logical = []sarifLogical{{objectName(f)}}
	}
	// The same mistake is the same one when the lines above it grow.
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{f.Kind, f.Namespace, f.Name, f.Field, f.Reason, f.Message}))
	return sarifResult{
		RuleID: f.Reason, RuleIndex: i, Level: level, Message: sarifText{strings.TrimPrefix(place.String(), ": ")},
		Locations: []sarifLocation{location}, Fingerprints: map[string]string{"gatehouse/v1": hex.EncodeToString(sum[:16])},
	}
}

// rule describes a reason.
func rule(reason string) sarifRule {
	r := sarifRule{ID: reason, Short: sarifText{reason}, Help: sarifText{"See docs/conditions.md."}}
	switch manifest.Cause(reason) {
	case manifest.Unreadable:
		r.Help.Text = "The file or document is not what it should be; correct it, or leave it out."
	case manifest.Refused:
		r.Help.Text = "An API server would refuse the object; correct the field that the message names."
	case manifest.Ignored:
		r.Help.Text = "Nothing is wrong; the document says nothing to Gatehouse."
	}
	for _, v := range v1alpha1.Verdicts {
		if string(v.Reason) == reason && v.Cure != "" {
			r.Help.Text = v.Cure
		}
	}
	return r
}

// uriOf is a path as a relative reference, or as a file URI if it is absolute.
func uriOf(path string) string {
	u := url.URL{Path: filepath.ToSlash(path)}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}

func objectName(f validated) string {
	return manifest.Describe(model.ObjectID{Kind: f.Kind, Namespace: f.Namespace, Name: f.Name})
}
