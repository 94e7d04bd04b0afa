package manifest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

const (
	kindSecret       = "Secret"
	kindNamespace    = "Namespace"
	defaultNamespace = "default"
	// nameLabel is what the API server sets on every Namespace.
	nameLabel = "kubernetes.io/metadata.name"
)

// readSecret takes a Secret that resources may refer to. What it says of one never quotes
// a value.
func (l *loader) readSecret(o *object, value map[string]any) {
	defer func() { // what is kept of it is Sensitive
		o.doc.text = nil
		o.doc.last.forget()
	}()
	if !l.defaultNamespace(o, value) {
		return
	}
	meta := l.readMeta(o, value, true)
	if meta == nil {
		return
	}
	if meta.Labels[v1alpha1.SecretLabel] != v1alpha1.SecretInput {
		l.ignore(o, fmt.Sprintf("has no label %s: %s, so no resource can refer to it", v1alpha1.SecretLabel, v1alpha1.SecretInput))
		return
	}
	known := len(l.problems)
	l.onlyFields(o, value, "apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData")
	data := map[string]model.Sensitive{}
	l.secretData(o, value, "data", func(s string) (model.Sensitive, bool) {
		raw, err := base64.StdEncoding.DecodeString(s)
		return model.NewSensitive(raw), err == nil
	}, data)
	l.secretData(o, value, "stringData", func(s string) (model.Sensitive, bool) {
		return model.NewSensitive(s), true
	}, data)
	if len(l.problems) == known {
		o.resource = data
		l.add(o)
	}
}

// secretData adds the values below one field; stringData, which comes second, wins.
func (l *loader) secretData(o *object, value map[string]any, name string, read func(string) (model.Sensitive, bool), into map[string]model.Sensitive) {
	given, ok := value[name].(map[string]any)
	if !ok && value[name] != nil {
		l.refuse(o, name, "must be a map from keys to values")
	}
	for key, v := range given {
		text, isString := v.(string)
		secret, readable := read(text)
		switch {
		case !isString && v != nil:
			l.refuse(o, name+"["+key+"]", "must be a string; put the value in quotes")
		case !readable:
			l.refuse(o, name+"["+key+"]", "must be base64; give plain text in stringData")
		default:
			into[key] = secret
		}
	}
}

func (l *loader) readNamespace(o *object, value map[string]any) {
	o.id.Namespace = ""
	meta := l.readMeta(o, value, false)
	if meta == nil {
		return
	}
	ns := compile.Namespace{Name: meta.Name, Labels: map[string]string{}}
	for k, v := range meta.Labels {
		ns.Labels[k] = v
	}
	ns.Labels[nameLabel] = meta.Name
	for _, slug := range strings.Split(meta.Annotations[v1alpha1.SlugsAnnotation], ",") {
		if slug = strings.TrimSpace(slug); slug != "" {
			ns.Slugs = append(ns.Slugs, slug)
		}
	}
	o.resource = ns
	l.add(o)
}

// readMeta decodes and checks the metadata of an object that has no schema here.
func (l *loader) readMeta(o *object, value map[string]any, namespaced bool) *metav1.ObjectMeta {
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(value, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil || !found {
		l.refuse(o, "metadata", "must be a map with a name; labels and annotations are strings")
		return nil
	}
	errs := apivalidation.ValidateObjectMeta(meta, namespaced, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	for _, path := range unknown {
		errs = append(errs, &field.Error{Type: field.ErrorTypeForbidden, Field: path, Detail: "unknown field"})
	}
	l.refuseAll(o, errs, func(e *field.Error) string {
		e.BadValue = nil
		return explain(e)
	})
	if len(errs) > 0 {
		return nil
	}
	return meta
}

func (l *loader) onlyFields(o *object, value map[string]any, known ...string) {
	for name := range value {
		if !slices.Contains(known, name) {
			l.refuse(o, name, "unknown field; there are "+strings.Join(known, ", "))
		}
	}
}
