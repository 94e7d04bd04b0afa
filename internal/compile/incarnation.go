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
	uids := map[string]bool{}
	noteUIDs(in.Organizations, uids)
	noteUIDs(in.Applications, uids)
	noteUIDs(in.Providers, uids)
	heirs := map[string]int{} // by ID
	for uid, id := range in.Adopted {
		if uids[uid] {
			heirs[id]++
		}
	}
	ids := map[string]string{}
	for uid, id := range in.Adopted {
		if uids[uid] && uid != "" && id != "" && !uids[id] && heirs[id] == 1 {
			ids[uid] = id
		}
	}
	return ids
}

func noteUIDs[T interface {
	comparable
	metav1.Object
}](objects []T, uids map[string]bool) {
	var none T
	for _, o := range objects {
		if o != none {
			uids[string(o.GetUID())] = true
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
	for d := range t.owned {
		if changed.uids[string(d.object.UID)] {
			return true
		}
	}
	return false
}
