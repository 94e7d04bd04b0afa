package manifest

import (
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Options say how declarations become an Input.
type Options struct {
	// Installation is what makes the UIDs of one installation its own. The same files under
	// the same Installation are the same objects, on every machine and after every restart.
	Installation string
	// SystemNamespace holds the installation-wide AuthProviders.
	SystemNamespace string
	// Issuer and Dev are what Compile knows of the installation; see compile.Input.
	Issuer string
	Dev    bool
	// Stdin is read for the path "-".
	Stdin io.Reader
}

// Load reads the files that paths name. The Set holds every object that an API server would
// have admitted; the problems say why others are missing. A server takes a Set only without
// problems; `validate` goes on with what there is, to report as much as it can at once.
func Load(paths []string, o Options) (*Set, []Problem) {
	files, problems := readFiles(paths, o.Stdin)
	l := &loader{Set: newSet(o), problems: problems}
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.name, len(f.content))
		h.Write(f.content)
		if strings.HasPrefix(strings.ToLower(filepath.Base(f.name)), "kustomization") {
			continue
		}
		l.Files++
		if !l.readFile(f) {
			break
		}
	}
	h.Sum(l.digest[:0])
	return l.Set, l.problems
}

// loader fills a Set.
type loader struct {
	*Set
	problems  []Problem
	documents int
}

func (l *loader) readFile(f file) (more bool) {
	for _, doc := range split(f) {
		doc.last = l.last
		if l.documents++; l.documents > maxDocuments {
			l.problems = append(l.problems, unreadable(Position{File: f.name}, fmt.Sprintf("there are more than %d documents; read fewer files", maxDocuments)))
			return false
		}
		value, problem := doc.value()
		if problem != nil {
			l.problems = append(l.problems, *problem)
		} else if value != nil {
			l.readObject(&object{doc: doc}, value)
		}
	}
	return true
}

// readObject takes one object, or every item of a List.
func (l *loader) readObject(o *object, value map[string]any) {
	u := unstructured.Unstructured{Object: value}
	apiVersion, kind := u.GetAPIVersion(), u.GetKind()
	o.id = model.ObjectID{Kind: kind, Namespace: u.GetNamespace(), Name: u.GetName()}
	group, _, _ := strings.Cut(apiVersion, "/")
	switch {
	case apiVersion == "" || kind == "":
		l.refuse(o, "", "has no apiVersion and kind; keep files that are not Kubernetes objects elsewhere")
	case apiVersion == "v1" && kind == "List":
		l.readList(o, value)
	case apiVersion == "v1" && kind == kindSecret:
		l.readSecret(o, value)
	case apiVersion == "v1" && kind == kindNamespace:
		l.readNamespace(o, value)
	case group == v1alpha1.GroupName:
		l.readResource(o, value, apiVersion)
	default:
		l.ignore(o, fmt.Sprintf("%s %s is not for Gatehouse and left out", apiVersion, kind))
	}
}

func (l *loader) readList(list *object, value map[string]any) {
	items, ok := value["items"].([]any)
	if !ok {
		l.refuse(list, "items", "must be a list of objects")
		return
	}
	for i, item := range items {
		o := &object{doc: list.doc, at: fmt.Sprintf("%sitems[%d].", list.at, i)}
		if object, ok := item.(map[string]any); ok && object["kind"] != "List" {
			l.readObject(o, object)
		} else {
			l.refuse(o, "", "must be a Kubernetes object, and not a List of its own")
		}
	}
}

func (l *loader) readResource(o *object, value map[string]any, apiVersion string) {
	l.Declared++
	schema, decode := schemas()[o.id.Kind], decoders[o.id.Kind]
	if schema == nil || decode == nil {
		kinds := make([]string, 0, len(decoders))
		for kind := range decoders {
			kinds = append(kinds, kind)
		}
		slices.Sort(kinds)
		l.refuse(o, "kind", "there is no such kind; there are "+strings.Join(kinds, ", "))
		return
	}
	if want := v1alpha1.GroupVersion.String(); apiVersion != want {
		l.refuse(o, "apiVersion", fmt.Sprintf("%q: this version reads %s", apiVersion, want))
		return
	}
	if !l.defaultNamespace(o, value) {
		return
	}
	if errs := schema.admit(value); len(errs) > 0 {
		l.refuseAll(o, errs, explain)
		return
	}
	resource, err := decode(value)
	if err != nil { // excluded by the law that the schema admits only what Go decodes
		l.refuse(o, "", "cannot be decoded: "+err.Error())
		return
	}
	identify(resource, o.id, l.options.Installation, value["spec"])
	o.resource = resource
	l.add(o)
}

// defaultNamespace puts an object without a namespace into `default`. One without a name
// is refused.
func (l *loader) defaultNamespace(o *object, value map[string]any) bool {
	metadata, ok := value["metadata"].(map[string]any)
	if !ok {
		l.refuse(o, "metadata", "must be a map with a name")
		return false
	}
	if o.id.Name == "" {
		l.refuse(o, "metadata.name", "required value; files cannot use generateName")
		return false
	}
	if namespace := metadata["namespace"]; namespace == nil || namespace == "" {
		metadata["namespace"] = defaultNamespace
		o.id.Namespace = defaultNamespace
	}
	return true
}

func (l *loader) add(o *object) {
	if first, ok := l.objects[o.id]; ok {
		l.refuse(o, "", fmt.Sprintf("is declared twice, here and at %s; remove one", first.position("")))
		return
	}
	l.objects[o.id] = o
}

func (l *loader) refuse(o *object, path, message string) {
	l.problems = append(l.problems, Problem{o.position(path), Refused, o.id, path, message})
}

func (l *loader) refuseAll(o *object, errs field.ErrorList, explain func(*field.Error) string) {
	seen := map[Problem]bool{} // several schema checks may say the same
	for _, e := range errs {
		path := strings.TrimPrefix(e.Field, "<nil>")
		p := Problem{o.position(path), Refused, o.id, path, explain(e)}
		if !seen[p] {
			l.problems = append(l.problems, p)
		}
		seen[p] = true
	}
}

func (l *loader) ignore(o *object, message string) {
	l.Notes = append(l.Notes, Problem{o.position(""), Ignored, o.id, "", message})
}
