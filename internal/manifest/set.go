package manifest

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Set is what was read. It never changes after it was made.
type Set struct {
	Files    int       // that were read
	Declared int       // objects of the four kinds, admitted or not
	Notes    []Problem // what was left out although nothing is wrong with it

	options Options
	objects map[model.ObjectID]*object // by ID without UID
	digest  [sha256.Size]byte          // of everything that was read
	last    *lastTree
}

// object is one declaration and where it is written.
type object struct {
	id  model.ObjectID // without UID
	doc document
	at  string // path of the object in its document: "", or "items[3]." in a List
	// resource is one of the four kinds, a compile.Namespace, or a Secret's data.
	resource any
}

func newSet(o Options) *Set {
	return &Set{options: o, objects: map[model.ObjectID]*object{}, last: &lastTree{}}
}

func (o *object) position(path string) Position { return o.doc.position(o.at + path) }

// Len is the number of objects of the four kinds that were admitted.
func (s *Set) Len() int {
	n := 0
	for id := range s.objects {
		if decoders[id.Kind] != nil {
			n++
		}
	}
	return n
}

// Has reports whether there is an object of a kind, `Secret` and `Namespace` included.
func (s *Set) Has(kind string) bool {
	for id := range s.objects {
		if id.Kind == kind {
			return true
		}
	}
	return false
}

// Declares reports whether there is this object; the namespace is empty for a Namespace.
func (s *Set) Declares(kind, namespace, name string) bool {
	_, ok := s.objects[model.ObjectID{Kind: kind, Namespace: namespace, Name: name}]
	return ok
}

// Position says where the object, or a field of it, is written. The zero Position: nowhere.
func (s *Set) Position(id model.ObjectID, path string) Position {
	id.UID = ""
	if o, ok := s.objects[id]; ok {
		return o.position(path)
	}
	return Position{}
}

// Input is what Compile judges. Every slug is granted: whoever writes the files is the
// administrator. Every namespace that an object is in exists.
func (s *Set) Input(digestKey model.Sensitive) compile.Input {
	in := compile.Input{SystemNamespace: s.options.SystemNamespace, AnySlug: true, DigestKey: digestKey, Issuer: s.options.Issuer, Dev: s.options.Dev}
	named := map[string]bool{}
	for _, id := range s.sorted() {
		switch r := s.objects[id].resource.(type) {
		case *v1alpha1.Organization:
			in.Organizations = append(in.Organizations, r)
		case *v1alpha1.ApiApplication:
			in.Applications = append(in.Applications, r)
		case *v1alpha1.Role:
			in.Roles = append(in.Roles, r)
		case *v1alpha1.AuthProvider:
			in.Providers = append(in.Providers, r)
		case map[string]model.Sensitive:
			in.Secrets = append(in.Secrets, compile.Secret{Namespace: id.Namespace, Name: id.Name, Version: version(digestKey, r), Data: r})
		case compile.Namespace:
			in.Namespaces = append(in.Namespaces, r)
			named[r.Name] = true
		}
	}
	for _, id := range s.sorted() {
		if ns := id.Namespace; ns != "" && !named[ns] {
			named[ns] = true
			in.Namespaces = append(in.Namespaces, compile.Namespace{Name: ns, Labels: map[string]string{nameLabel: ns}})
		}
	}
	return in
}

func (s *Set) sorted() []model.ObjectID {
	return slices.SortedFunc(maps.Keys(s.objects), func(a, b model.ObjectID) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// version names the content of a Secret without giving it away: it is keyed, because a
// plain hash of a weak secret can be searched.
func version(key model.Sensitive, data map[string]model.Sensitive) string {
	var content []byte
	for _, name := range slices.Sorted(maps.Keys(data)) {
		content = fmt.Appendf(content, "%q %d\n", name, len(data[name].Reveal()))
		content = append(content, data[name].Reveal()...)
	}
	digest := key.Digest(content)
	return hex.EncodeToString(digest[:16])
}

// uidSpace is the name space of the UIDs that files give.
var uidSpace = uuid.NewSHA1(uuid.NameSpaceDNS, []byte(v1alpha1.GroupName))

// identify gives the object what an API server would have: a UID that belongs to its name,
// and a generation that belongs to its spec. What its author wrote there does not count.
func identify(o metav1.Object, id model.ObjectID, installation string, spec any) {
	name := fmt.Sprintf("%q %q %q %q", installation, id.Kind, id.Namespace, id.Name)
	o.SetUID(types.UID(uuid.NewSHA1(uidSpace, []byte(name)).String()))
	o.SetGeneration(generation(spec))
	o.SetCreationTimestamp(metav1.Time{})
	o.SetDeletionTimestamp(nil)
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
}

// generation is a positive number that equal specs share.
func generation(spec any) int64 {
	raw, err := json.Marshal(spec)
	if err != nil { // it was made from JSON
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return int64(binary.BigEndian.Uint64(sum[:])>>1) | 1
}

// decoders turn what the schema admits into the four kinds.
var decoders = map[string]func(map[string]any) (metav1.Object, error){
	"Organization":   func(v map[string]any) (metav1.Object, error) { return decode(v, &v1alpha1.Organization{}) },
	"ApiApplication": func(v map[string]any) (metav1.Object, error) { return decode(v, &v1alpha1.ApiApplication{}) },
	"Role":           func(v map[string]any) (metav1.Object, error) { return decode(v, &v1alpha1.Role{}) },
	"AuthProvider":   func(v map[string]any) (metav1.Object, error) { return decode(v, &v1alpha1.AuthProvider{}) },
}

func decode[T metav1.Object](value map[string]any, into T) (metav1.Object, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return into, json.Unmarshal(raw, into)
}
