package graph

import (
	"io"
	"strconv"
	"strings"
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
	return plain(text)
}

// plain escapes what steers a terminal: names are their author's.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
