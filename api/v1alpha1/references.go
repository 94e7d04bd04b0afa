package v1alpha1

import (
	"fmt"
	"time"
)

// ObjectReference names another Gatehouse resource.
type ObjectReference struct {
	// Name of the object. Example: `acme`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Namespace of the object. Default: the namespace of the resource that refers
	// to it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// SecretKeyReference names one key of a Secret in the same namespace. The
// Secret must carry the label `auth.gatehouse.dev/secret: input`; no other
// Secret is ever read.
type SecretKeyReference struct {
	// Name of the Secret. Example: `ci-credentials`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Key inside the Secret. Example: `client-secret`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key"`
}

// LabelValue is the value of a Kubernetes label.
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// LabelSelector selects by labels; all its parts must match. An empty selector
// matches everything.
type LabelSelector struct {
	// Labels that must be present with exactly these values.
	// +kubebuilder:validation:MaxProperties=16
	// +optional
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`
	// Conditions on labels.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelSelectorRequirement is one condition on a label.
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",message="values: give at least one value with operator In or NotIn, and none with Exists or DoesNotExist",fieldPath=".values"
type LabelSelectorRequirement struct {
	// Key of the label. Example: `team`.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key"`
	// How the label is compared.
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
	Operator string `json:"operator"`
	// Values to compare with, for In and NotIn.
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	// +optional
	Values []LabelValue `json:"values,omitempty"`
}

// Duration is a length of time such as `1h30m`: up to four numbers, each with
// a unit of `ms`, `s`, `m` or `h`. It is a string of our own because the usual
// type admits through the schema what Go then refuses to decode.
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=28
// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(ms|s|m|h)){1,4}$`
type Duration string

// Parse returns the length of time. The error names the value and the shape it
// must have.
func (d Duration) Parse() (time.Duration, error) {
	v, err := time.ParseDuration(string(d))
	if err != nil || v < 0 {
		return 0, fmt.Errorf("%q is not a duration; write it like 90s, 15m or 1h30m", string(d))
	}
	return v, nil
}

// Timestamp is a moment in RFC 3339 with upper-case letters, such as
// `2027-01-31T00:00:00Z`.
// +kubebuilder:validation:MinLength=20
// +kubebuilder:validation:MaxLength=35
// +kubebuilder:validation:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
type Timestamp string

// Parse returns the moment. The error names the value: the schema admits dates
// that no calendar has, such as the 30th of February.
func (t Timestamp) Parse() (time.Time, error) {
	v, err := time.Parse(time.RFC3339Nano, string(t))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a moment in time; write it like 2027-01-31T00:00:00Z", string(t))
	}
	return v, nil
}
