package manifest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/config/crd"
)

// kindSchema judges objects of one kind as the API server does. It is safe for concurrent
// use.
type kindSchema struct {
	structural *structuralschema.Structural
	openAPI    validation.SchemaValidator
	rules      *cel.Validator
}

// schemas are the embedded CustomResourceDefinitions by kind, compiled once.
var schemas = sync.OnceValue(func() map[string]*kindSchema {
	byKind := map[string]*kindSchema{}
	names, err := fs.Glob(crd.FS, "*")
	for _, name := range names {
		var definition apiextensionsv1.CustomResourceDefinition
		var s *kindSchema
		if definition, err = readCRD(name); err == nil {
			s, err = newKindSchema(definition)
		}
		if err != nil {
			break
		}
		byKind[definition.Spec.Names.Kind] = s
	}
	if err != nil { // our own generated files, under test: never a user's mistake
		panic(fmt.Errorf("embedded CustomResourceDefinitions: %w", err))
	}
	return byKind
})

func readCRD(name string) (definition apiextensionsv1.CustomResourceDefinition, err error) {
	raw, err := fs.ReadFile(crd.FS, name)
	if err == nil {
		err = yaml.UnmarshalStrict(raw, &definition)
	}
	return definition, err
}

func newKindSchema(definition apiextensionsv1.CustomResourceDefinition) (*kindSchema, error) {
	var props apiextensions.JSONSchemaProps
	v1 := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v1, &props, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(&props)
	if err != nil {
		return nil, err
	}
	openAPI, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		return nil, err
	}
	return &kindSchema{structural, openAPI, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

// admit prepares a new object as the API server does (its status is dropped and defaults
// are filled in) and returns why it would be refused.
func (s *kindSchema) admit(object map[string]any) field.ErrorList {
	delete(object, "status") // a new object has none, whatever its author writes
	errs := s.unknownFields(object)
	meta, _, _, err := objectmeta.GetObjectMetaWithOptions(object, objectmeta.ObjectMetaOptions{})
	if err != nil || meta == nil {
		return append(errs, field.Required(field.NewPath("metadata"), "must be a map with a name"))
	}
	errs = append(errs, apivalidation.ValidateObjectMeta(meta, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, s.structural)
	defaulting.Default(object, s.structural)
	errs = append(errs, validation.ValidateCustomResource(nil, object, s.openAPI)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	if blocks(errs) {
		return errs
	}
	return append(errs, s.evaluate(object, nil)...)
}

// evaluate runs the CEL rules; with an old object also those that speak of the change.
func (s *kindSchema) evaluate(object, old map[string]any) field.ErrorList {
	var before any // a typed nil map would count as an old object
	if old != nil {
		before = old
	}
	errs, _ := s.rules.Validate(context.Background(), nil, s.structural, object, before, celconfig.RuntimeCELCostBudget)
	return errs
}

// unknownFields removes the fields that the schema does not know and reports each.
func (s *kindSchema) unknownFields(object map[string]any) (errs field.ErrorList) {
	_, _, unknown, _ := objectmeta.GetObjectMetaWithOptions(object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	unknown = append(unknown, pruning.PruneWithOptions(object, s.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	for _, path := range unknown {
		errs = append(errs, &field.Error{Type: field.ErrorTypeForbidden, Field: path, Detail: "unknown field" + s.knownBeside(path)})
	}
	return errs
}

// knownBeside lists the fields that there are where path is not one.
func (s *kindSchema) knownBeside(path string) string {
	steps := pathStep.FindAllString(path, -1)
	at := s.structural
	for _, step := range steps[:max(len(steps)-1, 0)] {
		if strings.HasPrefix(step, "[") {
			at = at.Items
		} else if next, ok := at.Properties[step]; ok {
			at = &next
		} else {
			return ""
		}
		if at == nil {
			return ""
		}
	}
	var known []string
	for name := range at.Properties {
		known = append(known, name)
	}
	if len(known) == 0 {
		return ""
	}
	slices.Sort(known)
	return "; there are " + strings.Join(known, ", ")
}

// blocks reports an error that CEL rules, which trust the schema, could stumble over.
func blocks(errs field.ErrorList) bool {
	return slices.ContainsFunc(errs, func(e *field.Error) bool {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		default:
			return false
		}
	})
}

// explain words an API server's error for people: without the field, which the problem
// gives already, and with the value only where it is short enough to be read.
func explain(e *field.Error) string {
	detail := strings.TrimPrefix(e.Detail, e.Field+": ")
	detail = strings.TrimPrefix(detail, e.Field[strings.LastIndex(e.Field, ".")+1:]+": ")
	detail = strings.TrimPrefix(detail, e.Field+" in body ")
	detail = asWritten(detail)
	if detail == "" {
		detail = strings.ToLower(e.Type.String())
	}
	if e.Type == field.ErrorTypeTypeInvalid { // the value that it gives is the type found
		return strings.ReplaceAll(strings.Replace(detail, `: "`, `, not "`, 1), `"`, "")
	}
	if e.Type == field.ErrorTypeRequired || e.Type == field.ErrorTypeForbidden {
		return strings.TrimPrefix(detail, "required value: ")
	}
	if value := short(e.BadValue); value != "" {
		return value + ": " + detail
	}
	return detail
}

func short(value any) string {
	switch v := value.(type) {
	case string:
		if v != "" && utf8.RuneCountInString(v) <= 64 {
			return fmt.Sprintf("%q", v)
		}
	case int64, float64, bool, json.Number:
		return fmt.Sprint(v)
	}
	return ""
}
