package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"
)

// document is one YAML document of a file. It keeps the text and not the parsed tree: the
// tree is only needed again when somebody asks for the line of a field.
type document struct {
	file string
	line int // of the first line of text
	text []byte
	last *lastTree // shared by everything that was read together
}

// lastTree keeps the tree of the document that was looked into last: many problems of one
// document cost one reading.
type lastTree struct {
	mu   sync.Mutex
	text []byte
	root *yaml.Node
}

// of returns the tree of a document, nil if it has none.
func (l *lastTree) of(d document) *yaml.Node {
	if len(d.text) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.text) == 0 || &l.text[0] != &d.text[0] {
		l.text = d.text
		l.root, _ = d.tree()
	}
	return l.root
}

// forget lets the tree go.
func (l *lastTree) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.root = nil, nil
}

// split cuts a file at the lines that begin a new document, as kubectl does.
func split(f file) (documents []document) {
	current := document{file: f.name, line: 1}
	start, line := 0, 1
	for offset := 0; offset < len(f.content); line++ {
		end := len(f.content)
		if i := bytes.IndexByte(f.content[offset:], '\n'); i >= 0 {
			end = offset + i + 1
		}
		if isSeparator(f.content[offset:end]) {
			current.text = bytes.Clone(f.content[start:offset]) // lets a Secret beside it go
			documents = append(documents, current)
			current, start = document{file: f.name, line: line + 1}, end
		}
		offset = end
	}
	current.text = bytes.Clone(f.content[start:])
	return append(documents, current)
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	if !ok {
		return false
	}
	rest, _, _ = bytes.Cut(rest, []byte("#"))
	return len(bytes.TrimSpace(rest)) == 0
}

// tree parses the text into nodes that know their lines.
func (d document) tree() (*yaml.Node, *Problem) {
	var root yaml.Node
	if err := yaml.Unmarshal(d.text, &root); err != nil {
		p := d.syntaxProblem(err)
		return nil, &p
	}
	if len(root.Content) == 0 {
		return nil, nil // nothing but comments
	}
	return root.Content[0], nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntaxProblem says what the parser said, and where. The one message of the parser that
// quotes content is replaced: the content may be a secret.
func (d document) syntaxProblem(err error) Problem {
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), d.line
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		n, _ := strconv.Atoi(m[1])
		line += n - 1
		message = strings.Replace(message, m[0], "", 1)
	}
	if strings.Contains(message, "anchor") {
		message = "a value that begins with * must be in quotes"
	}
	return unreadable(Position{d.file, line}, "is not valid YAML: "+message)
}

// value is the document as the cluster's tools read it, or a problem.
func (d document) value() (map[string]any, *Problem) {
	root, problem := d.tree()
	if root == nil {
		return nil, problem
	}
	if root.Kind != yaml.MappingNode {
		p := unreadable(d.at(root), "is not a Kubernetes object: must be a map with apiVersion, kind and metadata")
		return nil, &p
	}
	if key := duplicateKey(root); key != nil {
		p := unreadable(d.at(key), fmt.Sprintf("key %q is given twice; remove one", key.Value))
		return nil, &p
	}
	p := unreadable(d.at(root), "cannot be read as a Kubernetes object: every key must be a string, and aliases must be few")
	raw, err := sigsyaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, &p
	}
	var object map[string]any
	if err := utiljson.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, &p
	}
	return object, nil
}

// duplicateKey returns a key that its map has twice, if there is one.
func duplicateKey(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; seen[key.Value] {
				return key
			}
			seen[n.Content[i].Value] = true
		}
	}
	for _, c := range n.Content { // the target of an alias is met where it is written
		if key := duplicateKey(c); key != nil {
			return key
		}
	}
	return nil
}

func (d document) at(n *yaml.Node) Position { return Position{d.file, d.line + n.Line - 1} }

var pathStep = regexp.MustCompile(`[^.\[\]]+|\[[^\]]*\]`)

// position is the line of the field, or of the nearest thing around it that is written
// down: a field that is missing is looked for where it should be.
func (d document) position(path string) Position {
	root := d.last.of(d)
	if root == nil {
		return Position{d.file, d.line}
	}
	at, node := root, root
	for _, step := range pathStep.FindAllString(path, -1) {
		key, next := child(node, strings.Trim(step, "[]"))
		if next == nil {
			break
		}
		at, node = key, next
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
	}
	return d.at(at)
}

// child returns the entry of a map or list, and the node whose line is its line.
func child(n *yaml.Node, name string) (at, value *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == name {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	default: // a scalar has no entries
	}
	return nil, nil
}
