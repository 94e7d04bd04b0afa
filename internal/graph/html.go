package graph

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed graph.html
var page string

var htmlPage = template.Must(template.New("graph").Parse(page))

// HTML writes the tree as one page that asks for nothing else: no script, no picture, no
// style from elsewhere, which its own policy forbids besides.
func HTML(w io.Writer, tree []Node) error { return htmlPage.Execute(w, tree) }
