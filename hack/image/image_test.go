package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	// What the image holds; a test's cached result is as old as the code it depends on.
	_ "github.com/gatehouse-dev/gatehouse/internal/cli"
)

// image builds one for this machine's architecture.
func image(t *testing.T, roots string) (path, digest string) {
	t.Helper()
	o := options{
		output: filepath.Join(t.TempDir(), "image.tar"), name: "gatehouse:test", version: "v1.2.3", revision: "abc",
		roots: roots, platforms: []string{"linux/" + runtime.GOARCH}, created: time.Unix(1_700_000_000, 0).UTC(),
	}
	digest, err := build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return o.output, digest
}

func someRoots(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(path, []byte("certificates"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheImage(t *testing.T) {
	roots := someRoots(t)
	first, digest := image(t, roots)
	second, again := image(t, roots)
	a, err1 := os.ReadFile(first)
	b, err2 := os.ReadFile(second)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Run("is the same again from the same source", func(t *testing.T) {
		if digest != again || !bytes.Equal(a, b) {
			t.Errorf("two builds differ: %s and %s", digest, again)
		}
	})
	t.Run("runs a static program as nobody special", func(t *testing.T) { runs(t, read(t, first), digest) })
}

func runs(t *testing.T, blobs map[string][]byte, digest string) {
	t.Helper()
	var top, platforms index
	var m manifest
	var config imageConfig
	decode(t, blobs["index.json"], &top)
	if top.Manifests[0].Digest != digest || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "gatehouse:test" {
		t.Errorf("index.json names %+v, want %s", top.Manifests[0], digest)
	}
	decode(t, at(t, blobs, top.Manifests[0]), &platforms)
	if p := platforms.Manifests[0].Platform; p.OS != "linux" || p.Architecture != runtime.GOARCH {
		t.Errorf("it is for %+v", p)
	}
	decode(t, at(t, blobs, platforms.Manifests[0]), &m)
	decode(t, at(t, blobs, m.Config), &config)
	if config.Config.User != "65532:65532" {
		t.Errorf("it runs as %q", config.Config.User)
	}
	root := t.TempDir()
	unpack(t, at(t, blobs, m.Layers[0]), config.RootFS.DiffIDs[0], root)
	entry := filepath.Join(root, config.Config.Entrypoint[0])
	static(t, entry)
	cmd := exec.CommandContext(t.Context(), entry, "version")
	cmd.Env = config.Config.Env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "v1.2.3") {
		t.Errorf("gatehouse version: %v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil || string(got) != "certificates" {
		t.Errorf("it trusts %q, %v", got, err)
	}
}

// static fails if the program needs an interpreter: an image without a C library has none.
func static(t *testing.T, path string) {
	t.Helper()
	program, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program is linked dynamically")
		}
	}
}

// read returns the files of a layout.
func read(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blobs := map[string][]byte{}
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return blobs
		}
		if err != nil {
			t.Fatal(err)
		}
		if blobs[h.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// at returns what a descriptor describes, if it is that.
func at(t *testing.T, blobs map[string][]byte, d descriptor) []byte {
	t.Helper()
	content := blobs["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	if sum(content) != d.Digest || len(content) != d.Size {
		t.Fatalf("%s of %d bytes is %s of %d", d.Digest, d.Size, sum(content), len(content))
	}
	return content
}

func decode(t *testing.T, content []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

// unpack writes the files of a layer, and looks at their owners.
func unpack(t *testing.T, layer []byte, diffID, root string) {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(compressed)
	if err != nil || sum(plain) != diffID {
		t.Fatalf("the layer is %s, want %s: %v", sum(plain), diffID, err)
	}
	for archive := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 && h.Name != home+"/" {
			t.Errorf("%s belongs to %d", h.Name, h.Uid)
		}
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else {
			content, _ := io.ReadAll(archive)
			err = os.WriteFile(path, content, fs.FileMode(h.Mode))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestMissingCertificatesAreNamedWithTheirCure(t *testing.T) {
	_, err := build(t.Context(), options{roots: filepath.Join(t.TempDir(), "none.pem")})
	if err == nil || !strings.Contains(err.Error(), "none.pem") || !strings.Contains(err.Error(), "-roots") {
		t.Errorf("the error is %v", err)
	}
}

func TestOnlyLinuxIsBuiltFor(t *testing.T) {
	_, err := build(t.Context(), options{roots: someRoots(t), platforms: []string{"plan9/amd64"}})
	if err == nil || !strings.Contains(err.Error(), `"plan9/amd64"`) {
		t.Errorf("the error is %v", err)
	}
}

// No daemon builds the Dockerfile here; what it says of the container is compared.
func TestTheDockerfileSaysTheSame(t *testing.T) {
	content, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(content), "FROM scratch")
	said := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^([A-Z]+) (.*)$`).FindAllStringSubmatch(last, -1) {
		said[line[1]] = line[2]
	}
	var l layout
	l.blobs = map[string][]byte{}
	if err := l.add("amd64", blob{}, options{}); err != nil {
		t.Fatal(err)
	}
	var m manifest
	var config imageConfig
	decode(t, l.blobs[l.manifests[0].Digest], &m)
	decode(t, l.blobs[m.Config.Digest], &config)
	entry, err := json.Marshal(config.Config.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	for instruction, want := range map[string]string{
		"USER": config.Config.User, "WORKDIR": config.Config.WorkingDir,
		"ENV": strings.Join(config.Config.Env, " "), "ENTRYPOINT": string(entry),
	} {
		if said[instruction] != want {
			t.Errorf("%s %s, want %s", instruction, said[instruction], want)
		}
	}
}
