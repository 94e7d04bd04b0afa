package compile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/oauth"
)

// Bounds of a rotation, and what holds where nothing is declared.
const (
	periodLeast    = time.Hour
	periodMost     = 8760 * time.Hour
	overlapMost    = 720 * time.Hour
	overlapDefault = 24 * time.Hour
)

// Wanted is the Secret that a generated client secret is written to, and what is known of
// it. Whoever writes it decides nothing but by Plan and State, with a clock.
type Wanted struct {
	Name                string // in the application's namespace; empty: there is to be none
	Labels, Annotations map[string]string
	SecretKey           string            // under which the client secret is
	Data                map[string]string // everything else that is in it
	Plan                credential.Plan
	// State of the client secrets, as the Secret has it; the zero State where there is none.
	State credential.State
	// Version of the Secret; empty: there is none.
	Version string
	// Foreign: the Secret was not made for this application, and is not touched.
	Foreign bool
}

// generated reads what is wanted of the Secret that Gatehouse makes, and takes from the one
// there is which secrets prove the application: the past is in the Input.
func (t *tenancy) generated(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	w := t.wanted(o, app, r)
	r.Output = w
	name := types.NamespacedName{Namespace: o.Namespace, Name: w.Name}
	_, isInput := t.findSecret(name)
	there, found := t.outputs[name]
	switch {
	case t.assume && !isInput:
		app.Secrets = []model.ClientSecret{{}} // the digest of nothing: nobody is proven by it
		return
	case isInput, found && (there.Owner == "" || there.Owner != string(o.UID)):
		w.Foreign = true
		r.refuse(v1alpha1.ReasonSecretNotOwned, "spec.credentials.output.secretName",
			"Secret %s was not made for this ApiApplication; choose another name, or delete that Secret", show(name))
		return
	case found:
		w.Version, w.State = there.Version, stateOf(there, w.SecretKey)
	}
	for _, c := range w.State.Credentials {
		app.Secrets = append(app.Secrets, model.ClientSecret{Digest: c.Digest, NotBefore: c.NotBefore, NotAfter: c.NotAfter})
	}
}

// pending says of an application in which nothing is wrong that its client secret is still
// to be made. Until then it must not be served: it would be a public client.
func pending(a *applicant) {
	w := a.report.Output
	if w == nil || w.Name == "" || w.Foreign || len(a.app.Secrets) > 0 {
		return
	}
	a.report.refuse(v1alpha1.ReasonPending, "spec.credentials", "Secret %s with its client secret is not written yet; wait, Gatehouse is about to",
		show(types.NamespacedName{Namespace: a.object.Namespace, Name: w.Name}))
}

// stateOf reads the state of an application's secrets. An annotation that somebody else has
// written proves nothing.
func stateOf(there Output, key string) credential.State {
	var s credential.State
	s.Credentials, _ = credential.Parse(there.Credentials)
	for _, c := range s.Credentials {
		if held, ok := there.Values[key]; ok && held == c.Digest {
			s.Held = c.ID
		}
	}
	return s
}

// OutputOf is the Secret that a generated client secret of the application is written to,
// and the key that it is under.
func OutputOf(o *v1alpha1.ApiApplication) (name, key string) {
	w := (&tenancy{facts: &facts{}}).wanted(o, &model.Application{}, &Report{})
	return w.Name, w.SecretKey
}

// wanted reads spec.credentials.output and .rotation.
func (t *tenancy) wanted(o *v1alpha1.ApiApplication, app *model.Application, r *Report) *Wanted {
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
	w := &Wanted{Name: cmp.Or(output.SecretName, o.Name+"-credentials"), Data: map[string]string{}}
	if problems := validation.IsDNS1123Subdomain(w.Name); len(problems) > 0 {
		r.refuse(v1alpha1.ReasonInvalidSpec, "spec.credentials.output.secretName", "%s is no name of a Secret; use lower-case letters, digits, '-' and '.'", quote(w.Name))
	}
	w.Labels = metadata(output.Labels, "spec.credentials.output.labels", validation.IsValidLabelValue, r)
	w.Annotations = metadata(output.Annotations, "spec.credentials.output.annotations", nil, r)
	w.keys(keys, app.ClientID, t.issuer, r)
	w.Plan = plan(rotation, r)
	return w
}

// keys names what is in the Secret; no name is used twice.
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

// plan reads when secrets are replaced.
func plan(declared v1alpha1.CredentialsRotation, r *Report) credential.Plan {
	const field = "spec.credentials.rotation."
	p := credential.Plan{Generation: cmp.Or(declared.Generation, 1)}
	p.Period = length(declared.Period, field+"period", bounds{periodLeast, periodMost, ""}, 0, r)
	within, usual := bounds{0, overlapMost, ""}, overlapDefault
	if p.Period > 0 {
		usual = min(usual, p.Period/2)
		if p.Period <= overlapMost {
			within.most, within.note = p.Period-time.Second, ", shorter than the period"
		}
	}
	p.Overlap = length(declared.Overlap, field+"overlap", within, usual, r)
	if p.Generation < 1 {
		r.refuse(v1alpha1.ReasonInvalidSpec, field+"generation", "must be at least 1")
	}
	return p
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

// timestamp writes a moment as a status has it, empty for none.
func timestamp(at time.Time) v1alpha1.Timestamp {
	if at.IsZero() {
		return ""
	}
	return v1alpha1.Timestamp(at.UTC().Format(time.RFC3339))
}
