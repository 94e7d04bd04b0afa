package store_test

import "testing"

// ASVS 6.3.2: there is no default account.
func TestAFreshStoreKnowsNobody(t *testing.T) {
	users, err := open(t, t.TempDir()).Users(t.Context())
	if err != nil || len(users) != 0 {
		t.Errorf("%d people, %v", len(users), err)
	}
}
