package outfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string, commit bool) error {
	t.Helper()
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write([]byte(text)); err != nil {
		return err
	}
	if !commit {
		return nil
	}
	return f.Commit()
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var n []string
	for _, e := range entries {
		n = append(n, e.Name())
	}
	return n
}

func TestCommitAndDiscard(t *testing.T) {
	for _, previous := range []string{"", "old"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		if previous != "" {
			if err := os.WriteFile(path, []byte(previous), 0o640); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(t, path, "new", false); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != previous {
			t.Errorf("without Commit the file holds %q, want %q", got, previous)
		}
		if err := write(t, path, "new", true); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != "new" {
			t.Errorf("after Commit the file holds %q", got)
		}
		if n := names(t, dir); len(n) != 1 {
			t.Errorf("the folder holds %v", n)
		}
		if info, _ := os.Stat(path); previous != "" && runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
			t.Errorf("mode %v, want the previous file's", info.Mode())
		}
	}
}

// TestNeighbour is the way of file systems without unnamed files.
func TestNeighbour(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	for _, text := range []string{"one", "two"} {
		f := &File{path: path}
		if err := f.neighbour(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != text {
			t.Errorf("the file holds %q, want %q", got, text)
		}
	}
	f := &File{path: path}
	if err := f.neighbour(dir); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	f.Discard()
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("the folder holds %v", n)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	link, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := os.Symlink("target", link); err != nil {
		t.Skip(err)
	}
	for _, text := range []string{"dangling", "existing"} {
		if err := write(t, link, text, true); err != nil {
			t.Fatal(err)
		}
		if got := content(t, target); got != text {
			t.Errorf("the link's target holds %q, want %q", got, text)
		}
		if to, err := os.Readlink(link); err != nil || to != "target" {
			t.Errorf("the link is %q, %v", to, err)
		}
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if err := write(t, loop, "x", true); !errors.Is(err, ErrTarget) {
		t.Errorf("a link to itself: %v", err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if err := write(t, dir, "x", true); !errors.Is(err, ErrTarget) {
		t.Errorf("a folder: %v", err)
	}
	if err := write(t, filepath.Join(dir, "none", "out"), "x", true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing folder: %v", err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := write(t, "/dev/full", "x", true); err == nil {
			t.Error("a full device: no error")
		}
		if err := write(t, os.DevNull, "x", true); err != nil {
			t.Errorf("the null device: %v", err)
		}
	}
}

// TestLarge writes more than the buffer holds, in pieces of many sizes, and reads what is
// there in between.
func TestLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Discard()
	var want []byte
	for i, size := range []int{1, bufferSize - 1, bufferSize, bufferSize + 1, 0, 3 * stretch, 17} {
		p := bytes.Repeat([]byte{byte(i + 1)}, size)
		if n, err := f.Write(p); n != size || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, size, err)
		}
		want = append(want, p...)
		if i%2 == 0 {
			continue
		}
		c, err := f.Content()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want)+1)
		if n, err := c.ReadAt(got, 0); n != len(want) || !errors.Is(err, io.EOF) || !bytes.Equal(got[:n], want) {
			t.Errorf("after %d bytes the content has %d or other ones: %v", len(want), n, err)
		}
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if content(t, path) != string(want) {
		t.Error("the file holds something else")
	}
}

// TestWriteError is told by a later Write, and by every method from then on.
func TestWriteError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := write(t, path, "old", true); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	f.file.Close()
	if _, err := f.Write(make([]byte, 2*bufferSize)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write again: %v", err)
	}
	if _, err := f.Content(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("content: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("commit: %v", err)
	}
	if got := content(t, path); got != "old" {
		t.Errorf("the previous file holds %q", got)
	}
}

// TestSyncError: what can't be made durable is an error at once, leaves nothing and keeps
// the previous file.
func TestSyncError(t *testing.T) {
	broken := errors.New("input/output error")
	syncFile = func(*os.File) error { return broken }
	defer func() { syncFile = (*os.File).Sync }()
	for _, start := range []func(*File, string) error{(*File).create, (*File).neighbour} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		f := &File{path: path}
		if err := start(f, dir); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, 4*stretch)); err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(); !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
			t.Errorf("commit: %v", err)
		}
		if n := names(t, dir); len(n) != 1 || content(t, path) != "old" {
			t.Errorf("the folder holds %v, the previous file %q", n, content(t, path))
		}
	}
}

// TestCommitTogether: of several files all get their names, or what was there before stays.
func TestCommitTogether(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, before := range []string{"", "old"} {
			dir := t.TempDir()
			a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
			if before != "" {
				if err := os.WriteFile(a, []byte(before), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			var files []*File
			for _, path := range []string{a, b} {
				f, err := Create(path)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write([]byte("new")); err != nil {
					t.Fatal(err)
				}
				files = append(files, f)
			}
			if fails { // nothing can be renamed to a folder that is not empty
				if err := os.MkdirAll(filepath.Join(b, "full"), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if err := Commit(files...); (err != nil) != fails {
				t.Errorf("fails %v: error %v", fails, err)
			}
			want := "new"
			if fails {
				want = before
			}
			got, err := os.ReadFile(a)
			if string(got) != want || (err != nil) != (want == "") {
				t.Errorf("fails %v, before %q: found %q, %v, want %q", fails, before, got, err, want)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Name() != "a" && e.Name() != "b" {
					t.Errorf("fails %v, before %q: left %s", fails, before, e.Name())
				}
			}
		}
	}
}
