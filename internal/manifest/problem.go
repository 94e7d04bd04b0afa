package manifest

import (
	"fmt"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Cause says what kind of problem stands in the way.
type Cause string

// Causes.
const (
	// Unreadable: the file or document is not what it should be at all.
	Unreadable Cause = "Unreadable"
	// Refused: an API server would refuse the object.
	Refused Cause = "Refused"
	// Ignored is a note: nothing is wrong, but the document says nothing to Gatehouse.
	Ignored Cause = "Ignored"
)

// Position is a place in a file.
type Position struct {
	File string
	Line int // counted from 1; 0 for the file as a whole
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Problem is why something that was read cannot be used. It never quotes a Secret.
type Problem struct {
	Position
	Cause   Cause
	Object  model.ObjectID // without UID; zero where the document is no object
	Field   string         // path such as "spec.scopes[2]"; empty for the whole
	Message string         // what is wrong, and the cure
}

// Error is the problem in one line: `file:line: Kind ns/name: field: message`.
func (p Problem) Error() string {
	parts := []string{fmt.Sprint(p.Position)}
	if p.Object.Kind != "" {
		parts = append(parts, Describe(p.Object))
	}
	if p.Field != "" {
		parts = append(parts, p.Field)
	}
	return model.Plain(strings.Join(append(parts, p.Message), ": "))
}

// Describe names an object for people: `Kind namespace/name`.
func Describe(id model.ObjectID) string {
	switch {
	case id.Name == "":
		return id.Kind
	case id.Namespace == "":
		return id.Kind + " " + id.Name
	}
	return id.Kind + " " + id.Namespace + "/" + id.Name
}
