package compile

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// AssumingSecrets is the input as if every Secret that an ApiApplication refers to existed:
// repositories hold no secrets, and what else is declared is to be judged all the same.
// Secrets that are there are taken as they are, and those that we write for there.
func (in Input) AssumingSecrets() Input {
	in.AssumeOutputs = true
	there := map[types.NamespacedName]bool{}
	for _, s := range in.Secrets {
		there[types.NamespacedName{Namespace: s.Namespace, Name: s.Name}] = true
	}
	assumed := map[types.NamespacedName]map[string]model.Sensitive{}
	for _, a := range in.Applications {
		if a == nil || a.Spec.Credentials == nil || a.Spec.Credentials.FromSecret == nil || there[secretName(a)] {
			continue
		}
		if assumed[secretName(a)] == nil {
			assumed[secretName(a)] = map[string]model.Sensitive{}
		}
		// The same name and key are the same secret, so that it is not seen as changed.
		sum := sha256.Sum256([]byte(secretName(a).String() + "/" + a.Spec.Credentials.FromSecret.Key))
		assumed[secretName(a)][a.Spec.Credentials.FromSecret.Key] = model.NewSensitive(hex.EncodeToString(sum[:]))
	}
	in.Secrets = slices.Clone(in.Secrets)
	for name, data := range assumed {
		in.Secrets = append(in.Secrets, Secret{Namespace: name.Namespace, Name: name.Name, Version: "assumed", Data: data})
	}
	return in
}
