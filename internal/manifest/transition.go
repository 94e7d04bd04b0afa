package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Transitions says which objects of the set an API server would refuse to put in the place
// of those of their names in old: some fields never change.
func (s *Set) Transitions(old compile.Input) (problems []Problem) {
	before := map[model.ObjectID]metav1.Object{}
	for _, o := range old.Organizations {
		before[idOf("Organization", o)] = o
	}
	for _, o := range old.Applications {
		before[idOf("ApiApplication", o)] = o
	}
	for _, o := range old.Roles {
		before[idOf("Role", o)] = o
	}
	for _, o := range old.Providers {
		before[idOf("AuthProvider", o)] = o
	}
	for _, id := range s.sorted() {
		was, known := before[id]
		if !known {
			continue
		}
		o := s.objects[id]
		for _, e := range schemas()[id.Kind].evaluate(fields(o.resource), fields(was)) {
			path := strings.TrimPrefix(e.Field, "<nil>")
			problems = append(problems, Problem{o.position(path), Refused, id, path, explain(e)})
		}
	}
	return problems
}

func idOf(kind string, o metav1.Object) model.ObjectID {
	return model.ObjectID{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// fields are those of an object as its manifest has them.
func fields(object any) (value map[string]any) {
	raw, err := json.Marshal(object)
	if err == nil {
		err = utiljson.Unmarshal(raw, &value)
	}
	if err != nil { // it was made from JSON
		panic(fmt.Errorf("write %T: %w", object, err))
	}
	return value
}
