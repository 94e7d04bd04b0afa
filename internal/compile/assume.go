package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// AssumingSecrets is the input as if every Secret that an ApiApplication or an AuthProvider
// refers to existed: repositories hold no secrets, and what else is declared is to be judged
// all the same. Secrets that are there are taken as they are, and those that we write for
// there.
func (in Input) AssumingSecrets() Input {
	in.AssumeOutputs = true
	there := map[types.NamespacedName]bool{}
	for _, s := range in.Secrets {
		there[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = true
	}
	assumed := map[types.NamespacedName]map[string]model.Sensitive{}
	assume := func(namespace string, ref *v1alpha1.SecretKeyReference) {
		if ref == nil {
			return
		}
		name := types.NamespacedName{Namespace: namespace, Name: ref.Name}
		if there[name] {
			return
		}
		if assumed[name] == nil {
			assumed[name] = map[string]model.Sensitive{}
		}
		// The same name and key are the same secret, so that it is not seen as changed.
		sum := sha256.Sum256([]byte(name.String() + "/" + ref.Key))
		assumed[name][ref.Key] = model.NewSensitive(hex.EncodeToString(sum[:]))
	}
	for _, a := range in.Applications {
		if a != nil && a.Spec.Credentials != nil {
			assume(a.Namespace, a.Spec.Credentials.FromSecret)
		}
	}
	for _, p := range in.Providers {
		for _, ref := range upstreamSecrets(p) {
			assume(p.Namespace, ref)
		}
	}
	in.Secrets = slices.Clone(in.Secrets)
	for name, data := range assumed {
		in.Secrets = append(in.Secrets, Secret{Namespace: name.Namespace, Name: name.Name, Version: "assumed", Data: data})
	}
	return in
}

// upstreamSecrets are the references of an AuthProvider to Secrets.
func upstreamSecrets(p *v1alpha1.AuthProvider) (refs []*v1alpha1.SecretKeyReference) {
	if p == nil {
		return nil
	}
	if o := p.Spec.OIDC; o != nil {
		refs = append(refs, o.ClientSecretRef)
	}
	if o := p.Spec.OAuth2; o != nil {
		refs = append(refs, &o.ClientSecretRef)
	}
	if o := p.Spec.GitHub; o != nil {
		refs = append(refs, &o.ClientSecretRef)
	}
	if o := p.Spec.LDAP; o != nil {
		refs = append(refs, o.BindPasswordRef)
	}
	return refs
}
