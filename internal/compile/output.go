package compile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Wanted is the Secret from which programs learn how to be the application, and what is known
// of it. Whoever writes it decides nothing but by Plan and State, with a clock.
type Wanted struct {
	Name                string // in the application's namespace; empty: there is to be none
	Labels, Annotations map[string]string
	SecretKey           string            // under which the client secret is; empty: there is none in it
	Data                map[string]string // everything else that is in it
	// Made: Gatehouse makes the client secret, by Plan and State. Otherwise Copied is it.
	Made   bool
	Copied model.Sensitive
	Plan   credential.Plan
	// State of the client secrets, as the Secret has it; the zero State where there is none.
	State credential.State
	// Version of the Secret; empty: there is none.
	Version string
	// Foreign: the Secret was not made for this application, and is not touched.
	Foreign bool
}

const (
	outputName = "spec.credentials.output.secretName"
	notOwned   = "Secret %s was not made for this ApiApplication; choose another name, or delete that Secret"
)

// output reads the Secret that is declared for an application whose client secret, if it has
// one, is made elsewhere. It holds that secret exactly while it is accepted: without it there
// is to be none, so that no copy outlives what it is a copy of.
func (t *tenancy) output(o *v1alpha1.ApiApplication, app *model.Application, source string, secret model.Sensitive, r *Report) {
	if o.Spec.Credentials == nil || o.Spec.Credentials.Output == nil {
		return
	}
	w := t.wanted(o, app, source, r)
	if from := o.Spec.Credentials.FromSecret; from != nil && from.Name == w.Name {
		r.refuse(v1alpha1.ReasonInvalidSpec, outputName, "%s is the Secret that the client secret is read from; choose another name", quote(w.Name))
		return
	}
	if source == v1alpha1.CredentialsFromSecret && secret.IsZero() {
		return
	}
	if source == v1alpha1.CredentialsFromSecret {
		w.Copied = secret
	} else {
		w.SecretKey = ""
	}
	t.standing(w, o)
	r.Output = w
	if w.Foreign { // what proves the application is elsewhere: it is served all the same
		r.find(v1alpha1.ReasonSecretNotOwned, outputName, notOwned, show(types.NamespacedName{Namespace: o.Namespace, Name: w.Name}))
	}
}

// standing finds the Secret of the wanted name, and notes whether it was made for the
// application.
func (t *tenancy) standing(w *Wanted, o *v1alpha1.ApiApplication) (there Output, found bool) {
	name := types.NamespacedName{Namespace: o.Namespace, Name: w.Name}
	_, isInput := t.findSecret(name)
	if !t.assume {
		there, found = t.outputs[name]
	}
	w.Foreign = isInput || found && (there.Owner == "" || there.Owner != string(o.UID))
	if found && !w.Foreign {
		w.Version = there.Version
	}
	return there, found
}

// OutputOf is the Secret that a generated client secret of the application is written to,
// and the key that it is under.
func OutputOf(o *v1alpha1.ApiApplication) (name, key string) {
	w := (&tenancy{facts: &facts{}}).wanted(o, &model.Application{}, v1alpha1.CredentialsGenerated, &Report{})
	return w.Name, w.SecretKey
}

// wanted reads spec.credentials.output, and .rotation where there is one.
func (t *tenancy) wanted(o *v1alpha1.ApiApplication, app *model.Application, source string, r *Report) *Wanted {
	var output v1alpha1.CredentialsOutput
	var keys v1alpha1.CredentialsKeys
	var rotation v1alpha1.CredentialsRotation
	if c := o.Spec.Credentials; c != nil {
		if c.Output != nil {
			output = *c.Output
		}
		if output.Keys != nil {
			keys = *output.Keys
		}
		if c.Rotation != nil {
			rotation = *c.Rotation
		}
	}
	w := &Wanted{Name: cmp.Or(output.SecretName, o.Name+"-credentials"), Made: source == v1alpha1.CredentialsGenerated, Data: map[string]string{}}
	if problems := validation.IsDNS1123Subdomain(w.Name); len(problems) > 0 {
		r.refuse(v1alpha1.ReasonInvalidSpec, outputName, "%s is no name of a Secret; use lower-case letters, digits, '-' and '.'", quote(w.Name))
	}
	w.Labels = metadata(output.Labels, "spec.credentials.output.labels", validation.IsValidLabelValue, r)
	w.Annotations = metadata(output.Annotations, "spec.credentials.output.annotations", nil, r)
	if !w.Made && source != v1alpha1.CredentialsFromSecret && keys.ClientSecret != "" {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.credentials.output.keys.clientSecret", "there is no client secret with source: %s; remove it", source)
	}
	w.keys(keys, app.ClientID, t.issuer, r)
	if w.Made {
		w.Plan = plan(rotation, r)
	}
	return w
}

// keys names what can be in the Secret; no name is used twice.
func (w *Wanted) keys(keys v1alpha1.CredentialsKeys, clientID, issuer string, r *Report) {
	used := map[v1alpha1.SecretKey]string{}
	for _, k := range []struct {
		field, byDefault string
		key              v1alpha1.SecretKey
		value            string
	}{
		{"clientID", "client-id", keys.ClientID, clientID},
		{"clientSecret", "client-secret", keys.ClientSecret, ""},
		{"issuer", "issuer", keys.Issuer, issuer},
		{"tokenEndpoint", "token-endpoint", keys.TokenEndpoint, issuer + oauth.TokenPath},
	} {
		key, field := cmp.Or(k.key, v1alpha1.SecretKey(k.byDefault)), "spec.credentials.output.keys."+k.field
		switch {
		case len(validation.IsConfigMapKey(string(key))) > 0:
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is no key of a Secret; use letters, digits, '-', '_' and '.'", quote(key))
		case used[key] != "":
			r.refuse(v1alpha1.ReasonInvalidSpec, field, "%s is the key of %s too; choose another one", quote(key), used[key])
		case k.field == "clientSecret":
			w.SecretKey = string(key)
		default:
			w.Data[string(key)] = k.value
		}
		used[key] = k.field
	}
}

// powerful are the words in whose labels and annotations others find orders: whoever may
// declare an application must not make Gatehouse mint, say, a cluster of Argo CD.
var powerful = []string{"kubernetes.io", "k8s.io", "argoproj.io", v1alpha1.GroupName, "gatehouse.dev"}

// metadata reads labels or annotations. What an API server would refuse is refused here,
// because a Secret that can never be written is worse than a message.
func metadata[V ~string](declared map[string]V, field string, checkValue func(string) []string, r *Report) map[string]string {
	read := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(declared)) {
		value := string(declared[key])
		at := fmt.Sprintf("%s[%s]", field, clip(key, 128))
		switch {
		case slices.ContainsFunc(powerful, func(word string) bool { return strings.Contains(key, word) }):
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "a key may not contain kubernetes.io, k8s.io, argoproj.io or gatehouse.dev; choose another one")
		case len(validation.IsQualifiedName(strings.ToLower(key))) > 0 || len(validation.IsQualifiedName(key)) > 0:
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "is no key; write a name, or a domain, a slash and a name, such as example.com/team")
		case checkValue != nil && len(checkValue(value)) > 0:
			r.refuse(v1alpha1.ReasonInvalidSpec, at, "%s is no value; use at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last", quote(value))
		default:
			read[key] = value
		}
	}
	return read
}

// show puts what is known of the Secret into a status.
func (w *Wanted) show(s *v1alpha1.ApiApplicationStatus) {
	if w.Version == "" {
		return
	}
	s.CredentialsSecretName = w.Name
	for _, c := range w.State.Credentials {
		shown := v1alpha1.CredentialStatus{ID: c.ID, NotBefore: timestamp(c.NotBefore), NotAfter: timestamp(c.NotAfter)}
		s.Credentials = append(s.Credentials, shown)
		if c.NotAfter.IsZero() { // of two the newer one is announced, and takes over
			s.NextRotationTime = timestamp(w.Plan.Due(c))
		}
	}
}
