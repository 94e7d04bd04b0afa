package controllers

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Claim makes an installation the owner of an object of another one, and of no third one
// that took it meanwhile. The status that the owner before wrote goes, whole: the new one
// writes its own, and whoever looks in between sees that there is no verdict yet.
//
// Both see the new owner on their watch: the one before drops the object, as gone, and the
// new one serves it if its --selector and --namespaces have it. It takes the verb patch on
// the status of the kind, which the ServiceAccounts of installations have. It fails, with an
// error that apierrors.IsInvalid or IsNotFound knows, if the incarnation is no longer there
// or no longer owned by from; Owners.Claim says which.
func Claim(ctx context.Context, c client.Client, id model.ObjectID, from, installation string) error {
	patch, err := json.Marshal([]map[string]any{
		{"op": "test", "path": "/metadata/uid", "value": id.UID},
		{"op": "test", "path": "/status/installation", "value": from},
		{"op": "add", "path": "/status", "value": map[string]any{"observedGeneration": -1, "installation": installation}},
	})
	if err != nil {
		return fmt.Errorf("encode claim: %w", err)
	}
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(id.Kind))
	o.SetNamespace(id.Namespace)
	o.SetName(id.Name)
	err = c.Status().Patch(ctx, o, client.RawPatch(types.JSONPatchType, patch), &client.SubResourcePatchOptions{
		PatchOptions: client.PatchOptions{FieldManager: "gatehouse-" + installation, Raw: &metav1.PatchOptions{}},
	})
	if err != nil {
		return fmt.Errorf("claim %s %s/%s: %w", id.Kind, id.Namespace, id.Name, err)
	}
	return nil
}
