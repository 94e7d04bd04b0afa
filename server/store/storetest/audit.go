package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// told is what events tell, without their IDs.
func told(events []store.Event) []store.Event {
	for i := range events {
		events[i].ID = 0
	}
	return events
}

func eventsAreFound(t *testing.T, db *store.DB) {
	ctx := t.Context()
	for i, ev := range []store.Event{
		{Actor: "usr_1", Action: "session.started", Outcome: "ok"},
		{Actor: "usr_2", OrganizationID: "org_1", ApplicationUID: "app", Action: "grant.created", Target: "g", Outcome: "ok"},
		{Actor: "operator", OrganizationID: "org_2", Action: "member.removed", Target: "usr_1", Outcome: "ok"},
		{Actor: "usr_1", OrganizationID: "org_1", Action: "grant.refused", Outcome: "refused"},
		{Actor: "usr_3", Action: "session.ended", Outcome: "ok"},
	} {
		ev.Time = Noon.Add(time.Duration(i) * time.Hour)
		must(t, db.Record(ctx, ev))
	}
	for name, c := range map[string]struct {
		query store.EventQuery
		want  []int64
	}{
		"all":                       {store.EventQuery{}, []int64{5, 4, 3, 2, 1}},
		"two":                       {store.EventQuery{Limit: 2}, []int64{5, 4}},
		"the next two":              {store.EventQuery{Limit: 2, Before: 4}, []int64{3, 2}},
		"of an organization":        {store.EventQuery{OrganizationID: "org_1"}, []int64{4, 2}},
		"by or about somebody":      {store.EventQuery{Of: "usr_1"}, []int64{4, 3, 1}},
		"of an application":         {store.EventQuery{ApplicationUID: "app"}, []int64{2}},
		"an action":                 {store.EventQuery{Action: "session.ended"}, []int64{5}},
		"a family":                  {store.EventQuery{Action: "session.*"}, []int64{5, 1}},
		"no pattern":                {store.EventQuery{Action: "session%"}, nil},
		"refused":                   {store.EventQuery{Outcome: "refused"}, []int64{4}},
		"since":                     {store.EventQuery{Since: Noon.Add(3 * time.Hour)}, []int64{5, 4}},
		"until":                     {store.EventQuery{Until: Noon.Add(time.Hour)}, []int64{1}},
		"between, of somebody":      {store.EventQuery{Since: Noon.Add(time.Hour), Until: Noon.Add(4 * time.Hour), Of: "usr_1"}, []int64{4, 3}},
		"everything at once":        {store.EventQuery{OrganizationID: "org_1", Of: "usr_1", Action: "grant.*", Outcome: "refused", Since: Noon, Before: 5}, []int64{4}},
		"of no organization at all": {store.EventQuery{OrganizationID: "org_3"}, nil},
	} {
		if c.query.Limit == 0 {
			c.query.Limit = 100
		}
		found, err := db.FindEvents(ctx, c.query)
		must(t, err)
		var ids []int64
		for _, ev := range found {
			ids = append(ids, ev.ID)
		}
		same(t, name, ids, c.want)
	}
}

func readerGoesOn(t *testing.T, db *store.DB) {
	ctx := t.Context()
	must(t, db.Record(ctx, Act("before")))
	at, err := db.ReadTo(ctx, "webhook")
	must(t, err)
	must(t, db.Record(ctx, Act("one")))
	must(t, db.Record(ctx, Act("two")))
	unread, err := db.EventsAfter(ctx, at, 100)
	must(t, err)
	same(t, "what it has not read", told(unread), []store.Event{Act("one"), Act("two")})
	must(t, db.HaveRead(ctx, "webhook", at, at+1))
	wantErr(t, "somebody else with the same name", db.HaveRead(ctx, "webhook", at, at+2), store.ErrConflict)
	again, err := db.ReadTo(ctx, "webhook")
	must(t, err)
	same(t, "where it goes on", again, at+1)
}

func oldEventsGo(t *testing.T, db *store.DB) {
	ctx, day := t.Context(), 24*time.Hour
	read, err := db.ReadTo(ctx, "webhook")
	must(t, err)
	for _, age := range []time.Duration{30 * day, 9 * day, 5 * day, 4 * day, time.Hour} {
		ev := Act("x")
		ev.Time = Noon.Add(-age)
		must(t, db.Record(ctx, ev))
	}
	sweep := func(want int, left int) {
		t.Helper()
		n, err := db.SweepEvents(ctx, Noon.Add(-2*day))
		must(t, err)
		same(t, "swept", n, want)
		same(t, "left", events(t, db), left)
	}
	sweep(1, 4) // the others are not read, and less than a week late
	must(t, db.HaveRead(ctx, "webhook", read, read+3))
	sweep(2, 2)
	must(t, db.HaveRead(ctx, "webhook", read+3, read+5))
	sweep(1, 1)
}
