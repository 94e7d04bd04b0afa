package compile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/mapping"
)

// Bounds of what the schema cannot bound, or bounds too.
const (
	examplesMost     = 16
	exampleBytesMost = v1alpha1.ExampleBytes
)

// runExamples compares what the mapping makes of each example with what is wanted.
func runExamples(examples []v1alpha1.MappingExample, m *mapping.Mapping, r *Report) {
	const field = "spec.mapping.examples"
	if len(examples) > examplesMost {
		r.refuse(v1alpha1.ReasonInvalidSpec, field, "must be at most %d", examplesMost)
		return
	}
	for i, e := range examples {
		at := fmt.Sprintf("%s[%d]", field, i)
		claims, wrong := exampleClaims(e.Claims.Raw)
		if wrong != "" {
			r.refuse(v1alpha1.ReasonInvalidSpec, at+".claims", "%s", wrong)
			continue
		}
		got, err := m.Apply(claims)
		var unread *mapping.Error
		switch {
		case errors.Is(err, mapping.ErrRequired) && e.Want.Refused:
		case errors.Is(err, mapping.ErrRequired):
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "spec.mapping.require refuses these claims; correct one of the two, or write want: {refused: true}")
		case errors.As(err, &unread):
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "spec.mapping.%s %s", unread.Field, unread.Why)
		case e.Want.Refused:
			r.refuse(v1alpha1.ReasonInvalidSpec, at+".want.refused", "is true, and spec.mapping.require lets these claims in; correct one of the two")
		default:
			compareExample(at+".want.", e.Want, got, r)
		}
	}
}

func exampleClaims(raw []byte) (claims map[string]any, wrong string) {
	if len(raw) > exampleBytesMost {
		return nil, fmt.Sprintf("are larger than %d bytes; leave out what the mapping does not read", exampleBytesMost)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&claims); err != nil || claims == nil || d.More() {
		return nil, "are no JSON object"
	}
	return claims, ""
}

func compareExample(field string, want v1alpha1.WantedProfile, got mapping.Profile, r *Report) {
	differs := func(name, want, got string) {
		if want != got {
			r.refuse(v1alpha1.ReasonInvalidSpec, field+name, "is %s, and the mapping makes %s of these claims; correct one of the two", quote(want), quote(got))
		}
	}
	if want.Subject != "" {
		differs("subject", want.Subject, got.Subject)
	}
	if want.Email != "" {
		differs("email", want.Email, got.Email)
	}
	if want.Name != "" {
		differs("name", want.Name, got.Name)
	}
	if want.EmailVerified != nil {
		differs("emailVerified", fmt.Sprint(*want.EmailVerified), fmt.Sprint(got.EmailVerified))
	}
	if want.Groups != nil {
		wanted := make([]string, len(want.Groups))
		for i, g := range want.Groups {
			wanted[i] = string(g)
		}
		slices.Sort(wanted)
		differs("groups", strings.Join(slices.Compact(wanted), ", "), strings.Join(got.Groups, ", "))
	}
}
