package cli

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gatehouse-dev/gatehouse/api/v1alpha1"
	"github.com/gatehouse-dev/gatehouse/internal/compile"
	"github.com/gatehouse-dev/gatehouse/internal/model"
	"github.com/gatehouse-dev/gatehouse/internal/output"
)

// secretsDir is where, below the data directory, the Secrets that are written for applications
// are: NAMESPACE/NAME.yaml.
const secretsDir = "secrets"

// maxSecretFile bounds what is read of one of them; ours have a kilobyte.
const maxSecretFile = 64 << 10

// secretFiles are the Secrets that a server of files writes: what a cluster would keep.
type secretFiles struct {
	root   *os.Root // nothing outside of it is ever touched
	key    model.Sensitive
	keeper *output.Keeper
	log    *slog.Logger
	there  map[string]*corev1.Secret // by path below root
	stats  map[string]fs.FileInfo    // of those that were read: the same file is not read again
	said   map[string]string         // path → why it could not be read, as it was logged
}

func openSecretFiles(dataDir string, key model.Sensitive, log *slog.Logger) (*secretFiles, error) {
	dir := filepath.Join(dataDir, secretsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of client secrets: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of client secrets: %w", err)
	}
	f := &secretFiles{
		root: root, key: key, keeper: output.NewKeeper(rand.Reader, key), log: log,
		there: map[string]*corev1.Secret{}, stats: map[string]fs.FileInfo{}, said: map[string]string{},
	}
	_, err = f.reload()
	return f, err
}

func secretFile(namespace, name string) string { return path.Join(namespace, name+".yaml") }

// reload reads the files again, and reports whether one is not as it was. One that cannot be
// read stays as it was: only a file that is gone is a Secret that was deleted.
func (f *secretFiles) reload() (changed bool, err error) {
	found := map[string]*corev1.Secret{}
	err = fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone since its directory was read
			return nil
		case err != nil:
			return err
		case d.IsDir() || path.Ext(name) != ".yaml" || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		s, err := f.readChanged(name, d)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			f.complain(name, err)
			if s = f.there[name]; s == nil {
				s = unreadableSecret(name)
			}
		} else {
			delete(f.said, name)
		}
		found[name] = s
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read client secrets: %w", err)
	}
	changed = len(found) != len(f.there)
	for name, s := range found {
		if before := f.there[name]; before == nil || before.ResourceVersion != s.ResourceVersion {
			changed = true
		}
	}
	f.there = found
	return changed, nil
}

// complain logs a file that cannot be read, once.
func (f *secretFiles) complain(name string, err error) {
	if f.said[name] != err.Error() {
		f.said[name] = err.Error()
		f.log.Error("client secret: what was read last is used", "file", path.Join(secretsDir, name), "error", err)
	}
}

// readChanged reads a file unless it is, by all appearance, the one that was read last.
func (f *secretFiles) readChanged(name string, d fs.DirEntry) (*corev1.Secret, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	last, s := f.stats[name], f.there[name]
	if s != nil && last != nil && info.Mode().IsRegular() && os.SameFile(last, info) && last.Size() == info.Size() && last.ModTime().Equal(info.ModTime()) {
		return s, nil
	}
	if s, err = f.read(name); err != nil {
		delete(f.stats, name)
		return nil, err
	}
	f.stats[name] = info
	return s, nil
}

func (f *secretFiles) read(name string) (*corev1.Secret, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSecretFile {
		return nil, fmt.Errorf("it has more than %d KiB", maxSecretFile>>10)
	}
	content, err := f.root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseSecret(name, content)
}

// parseSecret reads a file. Its place is its name, whatever the file says, and its content
// is its version. An error never quotes it.
func parseSecret(name string, content []byte) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	if err := yaml.Unmarshal(content, s); err != nil {
		return nil, errors.New("it is not the YAML of a Secret; delete it, and a new client secret is made")
	}
	s.Namespace, s.Name = path.Dir(name), strings.TrimSuffix(path.Base(name), ".yaml")
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	for key, value := range s.StringData {
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
	sum := sha256.Sum256(content)
	s.ResourceVersion = hex.EncodeToString(sum[:8])
	return s, nil
}

// unreadableSecret stands in the way of the one that is to be written: nobody's file is
// overwritten.
func unreadableSecret(name string) *corev1.Secret {
	s, _ := parseSecret(name, nil)
	return s
}

// inputs is what Compile learns of them.
func (f *secretFiles) inputs() (all []compile.Output) {
	for _, s := range f.there {
		all = append(all, output.Read(s, f.key))
	}
	return all
}

// keep brings the files up to what the reports want: one write for each at the most. It
// returns whether Compile is to judge again, and when to keep again.
func (f *secretFiles) keep(reports []*compile.Report, now time.Time) (changed bool, again time.Time, err error) {
	owned, declared := map[string][]compile.Output{}, map[string]bool{}
	for _, o := range f.inputs() {
		owned[o.Owner] = append(owned[o.Owner], o)
	}
	for _, r := range reports {
		declared[r.Object.UID] = true
		for _, o := range output.Stale(r, owned[r.Object.UID]) {
			err = errors.Join(err, f.remove(secretFile(o.Namespace, o.Name)))
			changed = true
		}
		if r.Output == nil || r.Output.Name == "" {
			continue
		}
		step, failed := f.write(r, now)
		err = errors.Join(err, failed)
		changed = changed || step.Secret != nil
		if !step.At.IsZero() && (again.IsZero() || step.At.Before(again)) {
			again = step.At
		}
	}
	for owner, orphans := range owned { // what a cluster's garbage collector does
		if owner == "" || declared[owner] {
			continue
		}
		f.keeper.Forget(owner)
		for _, o := range orphans {
			err = errors.Join(err, f.remove(secretFile(o.Namespace, o.Name)))
			changed = true
		}
	}
	return changed, again, err
}

// write takes the next step for one application.
func (f *secretFiles) write(r *compile.Report, now time.Time) (output.Step, error) {
	name := secretFile(r.Object.Namespace, r.Output.Name)
	step, err := f.keeper.Next(r, f.there[name], now)
	if err != nil || step.Secret == nil {
		return step, err
	}
	content, err := writeSecret(step.Secret)
	if err != nil {
		return step, err
	}
	err = f.put(name, content, step.Secret.ResourceVersion)
	if errors.Is(err, fs.ErrExist) { // somebody was faster, and is not overwritten
		changed, err := f.reload()
		if !changed { // it cannot be read
			step = output.Step{At: now.Add(tryAgain)}
		}
		return step, err
	}
	if err != nil {
		return step, fmt.Errorf("write client secret of %s/%s: %w", r.Object.Namespace, r.Object.Name, err)
	}
	f.there[name], err = parseSecret(name, content)
	delete(f.stats, name)
	f.log.Info("client secret", "change", step.Change, "application", r.Object.Namespace+"/"+r.Object.Name, "file", path.Join(secretsDir, name))
	return step, err
}

// writeSecret is the file of a Secret, as people read it.
func writeSecret(s *corev1.Secret) ([]byte, error) {
	text := map[string]string{}
	for key, value := range s.Data {
		text[key] = string(value)
	}
	type metadata struct {
		Name            string                  `json:"name"`
		Namespace       string                  `json:"namespace"`
		Labels          map[string]string       `json:"labels,omitempty"`
		Annotations     map[string]string       `json:"annotations,omitempty"`
		OwnerReferences []metav1.OwnerReference `json:"ownerReferences,omitempty"`
	}
	body, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": s.Type, "stringData": text,
		"metadata": metadata{s.Name, s.Namespace, s.Labels, s.Annotations, s.OwnerReferences},
	})
	if err != nil {
		return nil, fmt.Errorf("encode Secret: %w", err)
	}
	head := "# Written by Gatehouse, which keeps it as it is declared.\n"
	if s.Annotations[v1alpha1.CredentialsAnnotation] != "" {
		head = "# Written by Gatehouse. Delete it, and a new client secret takes the place of this one.\n"
	}
	return append([]byte(head), body...), nil
}

// put writes a file of mode 0600, whole and durably or not at all: a new one, or over the
// version that is known. If that is not what is there, the error is fs.ErrExist.
func (f *secretFiles) put(name string, content []byte, over string) error {
	if err := f.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	fresh := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	file, err := f.root.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(content).WriteTo(file)
	if err = errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	defer func() { _ = f.root.Remove(fresh) }() // has its name by then, or is worthless
	if over == "" {
		if err := f.root.Link(fresh, name); err != nil {
			return err
		}
		return f.sync(path.Dir(name))
	}
	if now, err := f.read(name); err != nil || now.ResourceVersion != over {
		return fs.ErrExist
	}
	if err := f.root.Rename(fresh, name); err != nil {
		return err
	}
	return f.sync(path.Dir(name))
}

func (f *secretFiles) remove(name string) error {
	delete(f.there, name)
	delete(f.stats, name)
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove client secret: %w", err)
	}
	f.log.Info("client secret", "change", "CredentialsRemoved", "file", path.Join(secretsDir, name))
	return f.sync(path.Dir(name))
}

// sync makes what happened in a directory outlive a crash.
func (f *secretFiles) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
