package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Paths in the image. The Deployment mounts a volume at home and one at /tmp.
const (
	program = "usr/local/bin/gatehouse"
	home    = "var/lib/gatehouse"
)

// file is an entry of the layer; one without content is a directory.
type file struct {
	name    string
	mode    int64
	owner   int
	content []byte
}

// files are all there is: the program, whom it trusts, the name of its user, and the two
// directories that it may write. No shell, nothing to update but the program.
func files(binary, roots []byte) []file {
	return []file{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\ngatehouse:x:%d:\n", user)},
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\ngatehouse:x:%[1]d:%[1]d:gatehouse:/%[2]s:/sbin/nologin\n", user, home)},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, content: roots},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755},
		{name: "usr/local/", mode: 0o755},
		{name: "usr/local/bin/", mode: 0o755},
		{name: program, mode: 0o755, content: binary},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: home + "/", mode: 0o700, owner: user},
	}
}

// blob is content with its digest; of a layer also the digest before compression.
type blob struct {
	content        []byte
	digest, diffID string
}

// layer packs the files; every entry has the same time.
func layer(binary, roots []byte, at time.Time) (blob, error) {
	var plain, packed bytes.Buffer
	archive := tar.NewWriter(&plain)
	for _, f := range files(binary, roots) {
		h := &tar.Header{
			Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, ModTime: at,
			Typeflag: tar.TypeReg, Size: int64(len(f.content)), Format: tar.FormatUSTAR,
		}
		if f.content == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(h); err != nil {
			return blob{}, fmt.Errorf("%s: %w", f.name, err)
		}
		if _, err := archive.Write(f.content); err != nil {
			return blob{}, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return blob{}, err
	}
	compressed := gzip.NewWriter(&packed)
	if _, err := compressed.Write(plain.Bytes()); err != nil {
		return blob{}, err
	}
	if err := compressed.Close(); err != nil {
		return blob{}, err
	}
	return blob{packed.Bytes(), sum(packed.Bytes()), sum(plain.Bytes())}, nil
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(digest[:])
}
