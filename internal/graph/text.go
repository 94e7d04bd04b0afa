package graph

import (
	"io"
	"strings"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

// Text writes the tree for a terminal.
func Text(w io.Writer, tree []Node) error {
	var b strings.Builder
	for _, n := range tree {
		b.WriteString(n.line() + "\n")
		writeBelow(&b, n.Children, "")
	}
	if len(tree) == 0 {
		b.WriteString("No organization is served.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeBelow(b *strings.Builder, nodes []Node, indent string) {
	for i, n := range nodes {
		branch, next := "├─ ", "│  "
		if i == len(nodes)-1 {
			branch, next = "└─ ", "   "
		}
		b.WriteString(indent + branch + n.line() + "\n")
		writeBelow(b, n.Children, indent+next)
	}
}

func (n Node) line() string {
	text := n.Kind
	if n.Name != "" {
		text += " " + n.Name
	}
	if n.Note != "" {
		text += " — " + n.Note
	}
	return model.Plain(text)
}
