package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-dev/gatehouse/internal/model"
)

type reading struct {
	set      *Set
	problems []Problem
}

// watched starts Watch on the path and returns what it hands over.
func watched(t *testing.T, path string) <-chan reading {
	t.Helper()
	set, problems := Load([]string{path}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	readings, done := make(chan reading, 16), make(chan error)
	go func() {
		done <- Watch(ctx, []string{path}, set, func(s *Set, p []Problem) { readings <- reading{s, p} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch ended with %v", err)
		}
	})
	return readings
}

func next(t *testing.T, readings <-chan reading) reading {
	t.Helper()
	select {
	case r := <-readings:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("the change was not noticed")
		return reading{}
	}
}

func displayName(t *testing.T, r reading) string {
	t.Helper()
	if len(r.problems) > 0 || r.set == nil {
		t.Fatal(r.problems)
	}
	if r.set.Len() == 0 {
		t.Fatalf("%d objects", r.set.Len())
	}
	return r.set.Input(model.Sensitive{}).Organizations[0].Spec.DisplayName
}

func named(display string) string { return organization + "  displayName: " + display + "\n" }

func TestWatchReadsChangedNewAndRemovedFiles(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "a.yaml", organization)
	readings := watched(t, dir)
	write(t, dir, "a.yaml", named("one"))
	if got := displayName(t, next(t, readings)); got != "one" {
		t.Errorf("after a write: %q", got)
	}
	write(t, dir, "sub/deep/b.yaml", strings.ReplaceAll(organization, "acme", "globex"))
	if r := next(t, readings); r.set == nil || r.set.Len() != 2 {
		t.Fatalf("after a new directory: %v", r)
	}
	write(t, dir, ".new", named("two"))
	if err := os.Rename(filepath.Join(dir, ".new"), path); err != nil {
		t.Fatal(err)
	}
	if got := displayName(t, next(t, readings)); got != "two" {
		t.Errorf("after a rename: %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := next(t, readings); r.set == nil || r.set.Len() != 1 {
		t.Errorf("after a removal: %v", r)
	}
}

func TestAFileThatDoesNotParseKeepsTheLastSetWhole(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", organization)
	readings := watched(t, dir)
	write(t, dir, "a.yaml", "a: [\n")
	if r := next(t, readings); r.set != nil || len(r.problems) != 1 || r.problems[0].Line != 1 {
		t.Fatalf("%v %v", r.set, r.problems)
	}
	write(t, dir, "a.yaml", strings.Replace(organization, "slug: acme", "slug: other", 1))
	r := next(t, readings)
	if r.set == nil || len(r.problems) != 1 || r.problems[0].Line != 5 {
		t.Fatalf("%v %v", r.set, r.problems)
	}
	if got := r.set.Input(model.Sensitive{}).Organizations[0].Spec.Slug; got != "acme" {
		t.Errorf("slug %q: the object does not follow what was served before the error", got)
	}
}

// A mounted ConfigMap keeps its files behind a link that is swapped as a whole.
func TestWatchNoticesTheSwapOfAMountedConfigMap(t *testing.T) {
	mount := t.TempDir()
	link := func(version string) {
		write(t, mount, version+"/a.yaml", named(strings.Trim(version, ".")))
		if err := os.Symlink(version, filepath.Join(mount, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..one")
	if err := os.Symlink("..data/a.yaml", filepath.Join(mount, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	dir, file := watched(t, mount), watched(t, filepath.Join(mount, "a.yaml"))
	link("..two")
	for name, readings := range map[string]<-chan reading{"directory": dir, "file": file} {
		if got := displayName(t, next(t, readings)); got != "two" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// git-sync and others keep a whole checkout behind a link.
func TestWatchNoticesTheSwapOfTheDirectoryItself(t *testing.T) {
	base := t.TempDir()
	write(t, base, "one/a.yaml", named("one"))
	write(t, base, "two/a.yaml", named("two"))
	current, tmp := filepath.Join(base, "current"), filepath.Join(base, "tmp")
	if err := os.Symlink("one", current); err != nil {
		t.Fatal(err)
	}
	readings := watched(t, current)
	if err := errors.Join(os.Symlink("two", tmp), os.Rename(tmp, current)); err != nil {
		t.Fatal(err)
	}
	if got := displayName(t, next(t, readings)); got != "two" {
		t.Errorf("%q", got)
	}
	write(t, base, "two/a.yaml", named("three"))
	if got := displayName(t, next(t, readings)); got != "three" {
		t.Errorf("after the swap: %q", got)
	}
}
