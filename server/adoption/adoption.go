// Package adoption lets an object that was made anew go on as the one before it: under its
// ID, with what was issued for it. It happens on an administrator's word only, after a
// restore or a move to another cluster; by itself a new UID under an old name inherits
// nothing.
//
// Start reading at Find, which says of every object what it could go on as, or why it must
// not; Do has it happen. Whether something was ever issued is not asked.
package adoption

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-dev/gatehouse/server/store"
)

// Kinds that something is bound to, in the order in which they are adopted: an application
// only goes on in the Organization that it was in.
var Kinds = []string{kindOrganization, kindProvider, kindApplication}

const (
	kindOrganization = "Organization"
	kindProvider     = "AuthProvider"
	kindApplication  = "ApiApplication"
)

// Name is what an object keeps when it is made anew.
type Name struct{ Kind, Namespace, Name string }

func (n Name) String() string { return n.Kind + " " + n.Namespace + "/" + n.Name }

func nameOf(o store.Remembered) Name { return Name{o.Kind, o.Namespace, o.Name} }

// Proposal is what an object could go on as.
type Proposal struct {
	Name
	UID string // of the object that is there now
	// ID is what it would be; its own UID where it came back as itself. Empty: there was
	// nothing before it.
	ID string
	// GoneAt is when the one before it was gone.
	GoneAt time.Time
	// OrganizationID of an application, and the name of that Organization if it is known.
	OrganizationID, Organization string
	// Others are UIDs that bore the name too, the last gone first; Of asks for one of them.
	Others []store.Remembered
	// Revived is what was issued for ID and is in force again; Ended is what was issued for
	// the object under its own UID, and ends.
	Revived, Ended Count
	// Already: it was adopted before, and has not been gone since.
	Already bool
	// Refused says why it must not be adopted, with the cure; empty: it may.
	Refused string
}

// Count is what is in force.
type Count struct{ Grants, Consents, Sessions int }

// finder is the store as it was read.
type finder struct {
	objects   map[string]store.Remembered // by UID
	byName    map[Name][]store.Remembered
	adoptions map[string]store.Adoption // by UID of the heir
	bound     []store.Bound
}

func read(ctx context.Context, db *store.DB, now time.Time) (*finder, error) {
	objects, err := db.Objects(ctx)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	adoptions, err := db.Adoptions(ctx)
	if err != nil {
		return nil, fmt.Errorf("read adoptions: %w", err)
	}
	f := &finder{objects: map[string]store.Remembered{}, byName: map[Name][]store.Remembered{}, adoptions: map[string]store.Adoption{}}
	if f.bound, err = db.Bound(ctx, now); err != nil {
		return nil, fmt.Errorf("read what is in force: %w", err)
	}
	for _, o := range objects {
		f.objects[o.UID] = o
		f.byName[nameOf(o)] = append(f.byName[nameOf(o)], o)
	}
	for _, a := range adoptions {
		f.adoptions[a.UID] = a
	}
	return f, nil
}

// Find returns what every object that is there could go on as, in the order in which they
// are adopted, those of no interest left out. What was gone before since is refused: a
// restore or a move is one event, and who bears the name of something that went long ago
// may be somebody else.
func Find(ctx context.Context, db *store.DB, now, since time.Time) ([]Proposal, error) {
	f, err := read(ctx, db, now)
	if err != nil {
		return nil, err
	}
	var found []Proposal
	for name := range f.byName {
		p, there := f.propose(name, "")
		if !there || p.ID == "" || p.Already {
			continue
		}
		if p.GoneAt.Before(since) {
			p.Refused = fmt.Sprintf("gone for long; if it is the same one, adopt it by name: gatehouse adopt %s", p.Name)
		}
		found = append(found, p)
	}
	slices.SortFunc(found, func(a, b Proposal) int {
		return cmp.Or(slices.Index(Kinds, a.Kind)-slices.Index(Kinds, b.Kind),
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name.Name, b.Name.Name))
	})
	f.judgeAll(found)
	return found, nil
}

// Of returns what one object could go on as: the incarnation with the UID as, or without
// one itself or the last that is gone. What cannot be is said in Refused.
func Of(ctx context.Context, db *store.DB, name Name, as string, now time.Time) (Proposal, error) {
	f, err := read(ctx, db, now)
	if err != nil {
		return Proposal{}, err
	}
	p, there := f.propose(name, as)
	switch {
	case len(f.byName[name]) == 0:
		p.Refused = fmt.Sprintf("the server has never seen %s; create it, or correct the name", name)
	case !there:
		p.Refused = fmt.Sprintf("%s is gone; create it again, then adopt it", name)
	case p.Refused == "" && p.ID == "":
		p.Refused = fmt.Sprintf("%s was never gone; there is nothing to adopt", name)
	case p.Refused == "":
		one := []Proposal{p}
		f.judgeAll(one)
		p = one[0]
	}
	return p, nil
}

// Do has proposals happen, all or none. Those that were refused, or need nothing, are left
// out. store.ErrConflict: objects came or went since they were found.
func Do(ctx context.Context, db *store.DB, proposals []Proposal, now time.Time) error {
	var adoptions []store.Adoption
	var events []store.Event
	for _, p := range proposals {
		if p.Refused != "" || p.Already || p.ID == "" {
			continue
		}
		at := now
		if p.GoneAt.After(at) { // the clock was set back
			at = p.GoneAt
		}
		adoptions = append(adoptions, store.Adoption{UID: p.UID, ID: p.ID, At: at})
		ev := store.Event{
			Time: now, Actor: "operator", Action: "object.adopted", Target: p.UID, Outcome: "ok", OrganizationID: p.OrganizationID,
			Reason: fmt.Sprintf("%s goes on as %s", p.Name, p.ID),
		}
		switch p.Kind {
		case kindOrganization:
			ev.OrganizationID = p.ID
		case kindApplication:
			ev.ApplicationUID = p.ID
		}
		events = append(events, ev)
	}
	if len(adoptions) == 0 {
		return nil
	}
	return db.Adopt(ctx, adoptions, events)
}

// propose finds who bears the name now, and whom it could go on as. There is none if the
// name is nobody's now.
func (f *finder) propose(name Name, as string) (p Proposal, there bool) {
	p.Name = name
	bearers := f.byName[name]
	i := slices.IndexFunc(bearers, func(o store.Remembered) bool { return o.Present })
	if i < 0 || !slices.Contains(Kinds, name.Kind) {
		return p, false
	}
	now := bearers[i]
	p.UID = now.UID
	p.Others = slices.DeleteFunc(slices.Clone(bearers), func(o store.Remembered) bool { return o.Present })
	slices.SortFunc(p.Others, func(a, b store.Remembered) int {
		return cmp.Or(b.GoneAt.Compare(a.GoneAt), strings.Compare(a.UID, b.UID))
	})
	adopted, heir := f.adoptions[now.UID]
	switch {
	case as != "":
		f.ask(&p, now, as)
		p.Already = heir && adopted.ID == p.ID && !now.GoneAt.After(adopted.At)
	case heir:
		p.ID, p.GoneAt = adopted.ID, now.GoneAt
		p.Already = !now.GoneAt.After(adopted.At)
	case !now.GoneAt.IsZero():
		p.ID, p.GoneAt = now.UID, now.GoneAt
	case len(p.Others) > 0:
		p.ID, p.GoneAt = f.first(p.Others[0].UID), p.Others[0].GoneAt
	}
	p.Others = slices.DeleteFunc(p.Others, func(o store.Remembered) bool { return f.first(o.UID) == p.ID })
	return p, true
}

// ask proposes the incarnation that was asked for.
func (f *finder) ask(p *Proposal, now store.Remembered, as string) {
	was, known := f.objects[as]
	switch {
	case !known:
		p.Refused = fmt.Sprintf("the server has never seen an object with the UID %q", as)
	case nameOf(was) != p.Name:
		p.Refused = fmt.Sprintf("%s is %s; an object goes on only as one of its own kind, namespace and name", as, nameOf(was))
	default:
		p.ID, p.GoneAt = f.first(as), was.GoneAt
		if as == now.UID {
			p.ID = as
		}
	}
}

// first is the ID that the object with the UID went, or goes, by.
func (f *finder) first(uid string) string {
	if a, heir := f.adoptions[uid]; heir {
		return a.ID
	}
	return uid
}

// judgeAll refuses what must not be, and counts what would be in force. Organizations come
// first: an application goes on in one that is adopted with it.
func (f *finder) judgeAll(proposals []Proposal) {
	planned := map[string]string{}
	goesBy := func(organization string) string {
		if id, adopted := planned[organization]; adopted {
			return id
		}
		return f.first(organization)
	}
	for i := range proposals {
		p := &proposals[i]
		switch {
		case p.Kind == kindOrganization && p.Refused == "":
			planned[p.UID] = p.ID
		case p.Kind == kindApplication:
			f.judgeApplication(p, goesBy)
		}
		f.count(p)
	}
}

// judgeApplication refuses an application that is in another Organization than the one
// before it: its people never let that one in.
func (f *finder) judgeApplication(p *Proposal, goesBy func(string) string) {
	is := f.objects[p.UID].OrganizationID
	p.OrganizationID, p.Organization = goesBy(is), f.organization(is)
	if p.Refused != "" {
		return
	}
	if is == "" {
		p.Refused = p.String() + " is served in no Organization; cure what its status says, then adopt it"
		return
	}
	if p.ID == p.UID {
		return
	}
	was := f.objects[p.ID].OrganizationID
	if was == "" { // gone before this was remembered: what is in force tells
		for _, b := range f.bound {
			if b.ApplicationUID == p.ID && goesBy(b.OrganizationID) != goesBy(is) {
				was = b.OrganizationID
			}
		}
	}
	if was == "" || goesBy(was) == goesBy(is) {
		return
	}
	before, now := f.organization(was), f.organization(is)
	p.Refused = fmt.Sprintf("%s was in Organization %s and is in %s now; what was issued there must not come to life here", p.Name, before, now)
	if before == now {
		p.Refused = fmt.Sprintf("%s is in Organization %s, which was itself made anew; adopt that first: gatehouse adopt Organization %s", p.Name, now, now)
	}
}

// organization is the name of an Organization, or its ID if it is not remembered.
func (f *finder) organization(id string) string {
	if o, known := f.objects[id]; known {
		return o.Namespace + "/" + o.Name
	}
	return id
}

func (f *finder) count(p *Proposal) {
	own := func(b store.Bound) string {
		switch p.Kind {
		case kindOrganization:
			return b.OrganizationID
		case kindProvider:
			return b.ProviderUID
		default:
			return b.ApplicationUID
		}
	}
	goneBy := f.first(p.UID)
	for _, b := range f.bound {
		switch own(b) {
		case p.ID:
			p.Revived.add(b)
		case goneBy:
			p.Ended.add(b)
		}
	}
}

func (c *Count) add(b store.Bound) {
	c.Grants += b.Grants
	c.Consents += b.Consents
	c.Sessions += b.Sessions
}
