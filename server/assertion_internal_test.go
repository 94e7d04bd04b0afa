package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/server/clientauth"
)

// Each use of an assertion leaves a row for as long as the assertion lives, and a tenant
// declares as many applications as it likes.
func TestAssertionsOfAnOrganizationAreLimited(t *testing.T) {
	w := newTown(t)
	admitted := func(organization string) (n int) {
		for i := range 10_000 {
			c := clientauth.Client{Organization: &model.Organization{ID: organization}, Application: &model.Application{UID: fmt.Sprint(organization, i)}}
			if w.admitAssertion(c, w.Now()) == nil {
				n++
			}
		}
		return n
	}
	if n := admitted("hostile"); n != 1500 {
		t.Errorf("%d at once of one organization", n)
	}
	if n := admitted("another"); n == 0 {
		t.Error("another organization pays for it")
	}
	w.pass(time.Second)
	if n := admitted("hostile"); n < 299 || n > 301 {
		t.Errorf("%d in a second of one organization", n)
	}
}
