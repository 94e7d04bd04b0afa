package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Limits on what is read, so that a mistyped path or a hostile repository costs an error
// and not the process.
const (
	maxFileBytes  = 4 << 20
	maxTotalBytes = 256 << 20
	maxDocuments  = 50_000
)

// Stdin is the path that stands for Options.Stdin.
const Stdin = "-"

type file struct {
	name    string
	content []byte
}

// readFiles reads the files that paths name: a file as it is, a directory with everything
// below it that ends in .yaml, .yml or .json. Hidden entries are passed over; they are also
// what a mounted ConfigMap keeps its versions in.
func readFiles(paths []string, stdin io.Reader) (files []file, problems []Problem) {
	total := 0
	for _, name := range listFiles(paths, &problems) {
		content, err := readFile(name, stdin)
		if total += len(content); err == nil && total > maxTotalBytes {
			err = fmt.Errorf("the files have more than %d MiB in all; read fewer of them", maxTotalBytes>>20)
		}
		if err != nil {
			problems = append(problems, unreadable(Position{File: shownName(name)}, err.Error()))
			continue
		}
		files = append(files, file{shownName(name), content})
	}
	return files, problems
}

func listFiles(paths []string, problems *[]Problem) (names []string) {
	for _, root := range paths {
		if root == Stdin {
			names = append(names, root)
			continue
		}
		err := walk(root, func(path string, dir bool) {
			if !dir && (path == root || isManifest(path)) {
				names = append(names, path)
			}
		})
		if err != nil {
			*problems = append(*problems, unreadable(Position{File: root}, cause(err)))
		}
	}
	slices.Sort(names)
	return slices.Compact(names) // a file may be named twice: by itself and by its directory
}

// walk visits root and everything below it that is not hidden, each directory before its
// entries. It follows a root that is a symbolic link, and links to files.
func walk(root string, visit func(path string, dir bool)) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	visit(root, info.IsDir())
	if !info.IsDir() {
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(root, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			if err := walk(path, visit); err != nil {
				return err
			}
		default:
			if target, err := os.Stat(path); err != nil || target.Mode().IsRegular() {
				visit(path, false) // a dangling link is visited too: reading it says so
			}
		}
	}
	return nil
}

func isManifest(path string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path))
}

func readFile(name string, stdin io.Reader) ([]byte, error) {
	if name != Stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, errors.New(cause(err))
		}
		defer func() { _ = f.Close() }() // it was only read
		stdin = f
	}
	if stdin == nil {
		return nil, errors.New("cannot be read here; give files or a directory")
	}
	content, err := io.ReadAll(io.LimitReader(stdin, maxFileBytes+1))
	if err != nil {
		return nil, errors.New(cause(err))
	}
	if len(content) > maxFileBytes {
		return nil, fmt.Errorf("has more than %d MiB; split it into smaller files", maxFileBytes>>20)
	}
	if len(content) == 0 && name != Stdin {
		// Most often it is being written; taking it for absence would revoke what it declares.
		return nil, errors.New("is empty; remove it if it declares nothing")
	}
	return content, nil
}

// cause is the error without the path, which the position gives already.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Sprintf("cannot be read: %v", err)
}

func shownName(name string) string {
	if name == Stdin {
		return "stdin"
	}
	return name
}

func unreadable(at Position, message string) Problem {
	return Problem{Position: at, Cause: Unreadable, Message: message}
}
