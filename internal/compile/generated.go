package compile

import (
	"cmp"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/credential"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Bounds of a rotation, and what holds where nothing is declared.
const (
	periodLeast    = time.Hour
	periodMost     = 8760 * time.Hour
	overlapMost    = 720 * time.Hour
	overlapDefault = 24 * time.Hour
)

// generated reads what is wanted of the Secret that Gatehouse makes, and takes from the one
// there is which secrets prove the application: the past is in the Input.
func (t *tenancy) generated(o *v1alpha1.ApiApplication, app *model.Application, r *Report) {
	w := t.wanted(o, app, v1alpha1.CredentialsGenerated, r)
	r.Output = w
	there, found := t.standing(w, o)
	switch {
	case w.Foreign: // without a secret of its own it would be a public client
		r.refuse(v1alpha1.ReasonSecretNotOwned, outputName, notOwned, show(types.NamespacedName{Namespace: o.Namespace, Name: w.Name}))
	case t.assume:
		app.Secrets = []model.ClientSecret{{}} // the digest of nothing: nobody is proven by it
	case found:
		w.State = stateOf(there, w.SecretKey)
	}
	for _, c := range w.State.Credentials {
		app.Secrets = append(app.Secrets, model.ClientSecret{Digest: c.Digest, NotBefore: c.NotBefore, NotAfter: c.NotAfter})
	}
}

// pending says of an application in which nothing is wrong that its client secret is still
// to be made. Until then it must not be served: it would be a public client.
func pending(a *applicant) {
	w := a.report.Output
	if w == nil || !w.Made || w.Foreign || len(a.app.Secrets) > 0 {
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

// timestamp writes a moment as a status has it, empty for none.
func timestamp(at time.Time) v1alpha1.Timestamp {
	if at.IsZero() {
		return ""
	}
	return v1alpha1.Timestamp(at.UTC().Format(time.RFC3339))
}
