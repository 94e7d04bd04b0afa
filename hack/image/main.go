// Command image is behind `make image`: it builds the container image with Go alone, no
// daemon and no Dockerfile, as an OCI image layout in a tar file, the same bytes from the
// same source. layer.go puts the files together, layout.go writes the layout.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type options struct {
	output, name, version, revision, roots string
	platforms                              []string
	created                                time.Time
}

func main() {
	var o options
	var platforms string
	var created int64
	flag.StringVar(&o.output, "output", "bin/gatehouse-image.tar", "file to write")
	flag.StringVar(&o.name, "name", "gatehouse:dev", "name and tag that the image has once it is loaded")
	flag.StringVar(&o.version, "version", "unknown", "what `gatehouse version` says")
	flag.StringVar(&o.revision, "revision", "", "commit that it is built from")
	flag.StringVar(&o.roots, "roots", "/etc/ssl/certs/ca-certificates.crt", "PEM file of the certificate authorities that the image trusts")
	flag.StringVar(&platforms, "platforms", "linux/amd64,linux/arm64", "what to build for")
	flag.Int64Var(&created, "created", 0, "time of the files and of the image, in seconds since 1970")
	flag.Parse()
	o.platforms, o.created = strings.Split(platforms, ","), time.Unix(created, 0).UTC()
	digest, err := build(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	fmt.Printf("%s %s@%s\n", o.output, o.name, digest)
}

// build writes the image and returns the digest of its index.
func build(ctx context.Context, o options) (digest string, err error) {
	roots, err := os.ReadFile(o.roots)
	if err != nil {
		return "", fmt.Errorf("%w; install ca-certificates, or name another file with -roots", err)
	}
	l := &layout{blobs: map[string][]byte{}}
	for _, platform := range o.platforms {
		system, arch, ok := strings.Cut(platform, "/")
		if !ok || system != "linux" {
			return "", fmt.Errorf("-platforms: %q must be linux and an architecture of Go, as linux/amd64", platform)
		}
		binary, err := compile(ctx, arch, o.version)
		if err != nil {
			return "", err
		}
		content, err := layer(binary, roots, o.created)
		if err != nil {
			return "", err
		}
		if err := l.add(arch, content, o); err != nil {
			return "", err
		}
	}
	f, err := os.Create(o.output)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return l.write(f, o)
}

// compile builds the static program for Linux on an architecture. Nothing of this machine
// is in it: neither paths nor the state of the working tree.
func compile(ctx context.Context, arch, version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatehouse-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "gatehouse")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X github.com/gatehouse-dev/gatehouse/internal/cli.version="+version,
		"-o", path, "github.com/gatehouse-dev/gatehouse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build for linux/%s: %w\n%s", arch, err, out)
	}
	return os.ReadFile(path)
}

// user is who the program runs as: a number, because a cluster that demands runAsNonRoot
// cannot look up names in the image.
const user = 65532

func owner() string { return strconv.Itoa(user) + ":" + strconv.Itoa(user) }
