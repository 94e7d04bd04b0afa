package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be quiet before they are read again: an editor or a
// checkout writes many at once.
const settle = 100 * time.Millisecond

// Watch reads the files again whenever they change, until ctx ends, and hands over what
// became of it, one call at a time:
//
//   - a new Set, which follows the last one, with the objects that could not follow; or
//   - a nil Set with problems: the files cannot be read, and the last Set stays whole.
//
// Directories are watched, not files, and the directories around the paths too, so that
// files that are replaced by renaming and mounted ConfigMaps, which are swapped by a
// symbolic link, are noticed.
func Watch(ctx context.Context, paths []string, current *Set, changed func(*Set, []Problem)) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch manifests: %w", err)
	}
	defer func() { _ = watcher.Close() }() // nothing is lost
	w := &watch{paths: paths, current: current, read: current.digest, changed: changed, watcher: watcher}
	if err := w.look(); err != nil {
		return err
	}
	quiet := time.NewTimer(settle) // the first reading closes the gap since current was loaded
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-watcher.Errors:
			return fmt.Errorf("watch manifests: %w", err)
		case event := <-watcher.Events:
			if w.concerns(event.Name) {
				quiet.Reset(settle)
			}
		case <-quiet.C:
			if err := w.reload(); err != nil {
				return err
			}
		}
	}
}

type watch struct {
	paths   []string
	current *Set     // last good one
	read    [32]byte // digest of what was read last, good or bad
	failed  string   // first problem of the last reading; empty when it was good
	changed func(*Set, []Problem)
	watcher *fsnotify.Watcher
}

// concerns tells what happens to the paths from what happens beside them. Beside a file
// everything counts: the file may be a link through a directory that is swapped there.
func (w *watch) concerns(name string) bool {
	for _, path := range w.paths {
		path = filepath.Clean(path)
		below, err := filepath.Rel(path, name)
		if err == nil && filepath.IsLocal(below) {
			return true
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}

// look watches the directories that there are now.
func (w *watch) look() error {
	for _, path := range w.paths {
		dirs := []string{filepath.Dir(filepath.Clean(path))}
		_ = walk(path, func(path string, dir bool) { // what cannot be read, Load reports
			if dir {
				dirs = append(dirs, path)
			}
		})
		for _, dir := range dirs {
			if err := w.watcher.Add(dir); err != nil && dir == dirs[0] {
				return fmt.Errorf("watch manifests: %s: %w", dir, err)
			}
		}
	}
	return nil
}

// reload looks before it reads, so that nothing is missed.
func (w *watch) reload() error {
	if err := w.look(); err != nil {
		return err
	}
	set, problems := Load(w.paths, w.current.options)
	failed := ""
	if len(problems) > 0 {
		failed = problems[0].Error()
	}
	if set.digest == w.read && failed == w.failed {
		return nil
	}
	w.read, w.failed = set.digest, failed
	if failed != "" {
		w.changed(nil, problems)
		return nil
	}
	w.current, problems = set.Following(w.current)
	w.changed(w.current, problems)
	return nil
}
