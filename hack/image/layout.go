package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Media types of the OCI image format specification, version 1.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// imageConfig is what a container of the image is started with.
type imageConfig struct {
	Created string `json:"created"`
	platform
	Config struct {
		User         string              `json:"User"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts"`
		Env          []string            `json:"Env"`
		Entrypoint   []string            `json:"Entrypoint"`
		WorkingDir   string              `json:"WorkingDir"`
		Labels       map[string]string   `json:"Labels"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// layout is an image for several platforms.
type layout struct {
	blobs     map[string][]byte // by digest
	manifests []descriptor
}

// put keeps a blob and describes it.
func (l *layout) put(mediaType string, content []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: sum(content), Size: len(content)}
	l.blobs[d.Digest] = content
	return d
}

func (l *layout) putJSON(mediaType string, value any) (descriptor, error) {
	content, err := json.Marshal(value)
	return l.put(mediaType, content), err
}

// add puts the image of one architecture into the layout.
func (l *layout) add(arch string, files blob, o options) error {
	c := imageConfig{Created: o.created.Format(time.RFC3339), platform: platform{arch, "linux"}}
	c.Config.User = owner()
	c.Config.ExposedPorts = map[string]struct{}{"8080/tcp": {}, "8081/tcp": {}}
	c.Config.Env = []string{"PATH=/usr/local/bin", "HOME=/" + home, "GATEHOUSE_DATA_DIR=/" + home + "/data"}
	c.Config.Entrypoint = []string{"/" + program}
	c.Config.WorkingDir = "/" + home
	c.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    "gatehouse",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.version":  o.version,
		"org.opencontainers.image.revision": o.revision,
	}
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{files.diffID}
	config, err := l.putJSON(typeConfig, c)
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	d, err := l.putJSON(typeManifest, manifest{2, typeManifest, config, []descriptor{l.put(typeLayer, files.content)}})
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	d.Platform = &c.platform
	l.manifests = append(l.manifests, d)
	return nil
}

// write writes the layout as a tar file. The name stands in it twice: as containerd reads
// it, and as the specification says.
func (l *layout) write(to io.Writer, o options) (digest string, err error) {
	image, err := l.putJSON(typeIndex, index{2, typeIndex, l.manifests})
	if err != nil {
		return "", fmt.Errorf("write index: %w", err)
	}
	image.Annotations = map[string]string{
		"io.containerd.image.name":          o.name,
		"org.opencontainers.image.ref.name": o.name,
	}
	entry, err := json.Marshal(index{2, typeIndex, []descriptor{image}})
	if err != nil {
		return "", err
	}
	archive := tar.NewWriter(to)
	put := func(name string, content []byte) {
		if err == nil {
			err = archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: o.created, Format: tar.FormatUSTAR})
		}
		if err == nil {
			_, err = archive.Write(content)
		}
	}
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	put("index.json", entry)
	for _, d := range slices.Sorted(maps.Keys(l.blobs)) {
		put("blobs/"+strings.Replace(d, ":", "/", 1), l.blobs[d])
	}
	if err != nil {
		return "", fmt.Errorf("write layout: %w", err)
	}
	return image.Digest, archive.Close()
}
