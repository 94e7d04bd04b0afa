package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imageConfig is what a node reads of an image's configuration.
type imageConfig struct {
	Config struct {
		Env, Entrypoint []string
		WorkingDir      string
	} `json:"config"`
}

// reference is a descriptor, or a list of them: whatever leads on to the next document.
type reference struct {
	Digest            string
	Manifests, Layers []reference
	Config            *reference
}

// unpackImage writes the files of the image that `make image` built into a directory.
func unpackImage(t *testing.T, file, root string) (config imageConfig) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := map[string][]byte{}
	entries(t, f, func(h *tar.Header, r io.Reader) error {
		content[h.Name], err = io.ReadAll(r)
		return err
	})
	read := func(name string, into any) {
		if err := json.Unmarshal(content[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	blob := func(r reference) string { return "blobs/" + strings.Replace(r.Digest, ":", "/", 1) }
	var top, index, manifest reference
	read("index.json", &top)
	read(blob(top.Manifests[0]), &index)
	read(blob(index.Manifests[0]), &manifest)
	read(blob(*manifest.Config), &config)
	layer, err := gzip.NewReader(bytes.NewReader(content[blob(manifest.Layers[0])]))
	if err != nil {
		t.Fatal(err)
	}
	entries(t, layer, func(h *tar.Header, r io.Reader) error {
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			return os.Mkdir(path, 0o755)
		}
		b, err := io.ReadAll(r)
		return errors.Join(err, os.WriteFile(path, b, fs.FileMode(h.Mode)))
	})
	return config
}

func entries(t *testing.T, archive io.Reader, each func(*tar.Header, io.Reader) error) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = each(h, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
