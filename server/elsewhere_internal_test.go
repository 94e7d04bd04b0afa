package server

import (
	"slices"
	"testing"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/sessions"
)

// ASVS 6.8.4: what a provider elsewhere says of how somebody proved themselves is never taken
// for what was proven here, nor what one says that is not there any more.
func TestWhatAProviderSaysOfASignInIsMarkedAsItsWord(t *testing.T) {
	w := newTown(t)
	r := &request{World: w.world.Load()}
	for _, uid := range []string{"gone", w.local.UID} {
		got := r.markElsewhere(sessions.SignIn{ProviderUID: uid, AMR: []string{"pwd", "mfa"}}).AMR
		if said := !slices.Contains(got, "mfa"); said != (uid != w.local.UID) {
			t.Errorf("by %s: %q", uid, got)
		}
	}
	other := &model.Provider{UID: "okta", OIDC: &model.OIDCSettings{}}
	r.World.Snapshot = model.NewSnapshot("d", nil, []*model.Provider{other}, nil)
	if got := r.markElsewhere(sessions.SignIn{ProviderUID: "okta", AMR: []string{"mfa"}}).AMR; slices.Contains(got, "mfa") {
		t.Errorf("%q", got)
	}
}
