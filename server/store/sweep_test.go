package store_test

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
	"github.com/gatehouse-dev/gatehouse/server/store/storetest"
)

// A pass takes a batch; passes go on until nothing that has expired is left.
func TestMoreThanABatchOfWhatExpiredGoesWithoutARemainder(t *testing.T) {
	db := open(t, t.TempDir())
	const codes = 500
	var last store.DeviceCode
	for range codes {
		last = storetest.Pending()
		if err := db.CreateDeviceCode(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	gone, passes := 0, 0
	for until := last.ExpiresAt.Add(time.Second); ; passes++ {
		n, err := db.Sweep(t.Context(), until)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		gone += n
	}
	if gone != codes || passes < 3 {
		t.Errorf("%d of %d went in %d passes", gone, codes, passes)
	}
}
