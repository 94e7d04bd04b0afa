package compile

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// adopted returns the IDs of the objects that go on as another one, by UID. An ID that
// somebody has by right, or that two are to have, is nobody's but its own: what is issued
// is bound to it, so two objects of one ID would inherit from each other.
func adopted(in *Input) map[string]string {
	if len(in.Adopted) == 0 {
		return nil
	}
	ids := map[string]string{}
	adoptedAmong(in.Organizations, in.Adopted, ids)
	adoptedAmong(in.Applications, in.Adopted, ids)
	adoptedAmong(in.Providers, in.Adopted, ids)
	return ids
}

func adoptedAmong[T interface {
	comparable
	metav1.Object
}](objects []T, adopted, ids map[string]string) {
	var none T
	heirs := map[string]string{} // by ID; empty: more than one
	for _, o := range objects {
		if o == none {
			continue
		}
		uid := string(o.GetUID())
		id := adopted[uid]
		if id == "" || id == uid || uid == "" {
			continue
		}
		if other, twice := heirs[id]; twice && other != uid {
			heirs[id] = ""
		} else {
			heirs[id] = uid
		}
	}
	if len(heirs) == 0 {
		return
	}
	for _, o := range objects {
		if o != none {
			delete(heirs, string(o.GetUID())) // the one before is there
		}
	}
	for id, uid := range heirs {
		if uid != "" {
			ids[uid] = id
		}
	}
}

// id is what is issued for an object is bound to.
func (f *facts) id(uid types.UID) string {
	if id, heir := f.ids[string(uid)]; heir {
		return id
	}
	return string(uid)
}

// renamed reports whether the ID of any member is among those that changed.
func (t *tenant) renamed(changed asked) bool {
	if len(changed.uids) == 0 {
		return false
	}
	if d := t.organization.draft; d != nil && changed.uids[string(d.object.UID)] {
		return true
	}
	for a := range t.applications {
		if changed.uids[string(a.UID)] {
			return true
		}
	}
	return false
}
