// Package outfile writes files that appear whole or not at all.
//
// What is written goes into an unnamed file in the target's folder (O_TMPFILE on Linux, so
// that even a killed process leaves nothing behind; elsewhere a temporary neighbour).
// [File.Commit] syncs it and gives it the target's name in one step; until then, and
// whenever something fails, a previous file of that name stays as it was.
//
// A previous file's permission bits are kept; a new file gets 0666 less the umask. A
// symbolic link is followed: the file that it points to is replaced and the link stays.
// Targets that are not regular files ("-" for standard output, devices, pipes) receive the
// content at Commit.
package outfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// ErrTarget is wrapped by errors about targets that can't be written to by their nature.
var ErrTarget = errors.New("unusable output")

// File is an output that has no name yet. Its methods must not be called concurrently.
type File struct {
	file    *os.File
	path    string
	special bool   // Commit copies into it
	temp    string // name of the temporary neighbour, where it has one
	mode    fs.FileMode
	kept    string // the previous file of that name, until all of several have theirs
	done    bool
	buffer  *bufio.Writer
}

// Write appends p. An error may be that of an earlier Write, whose content was still in
// memory.
func (f *File) Write(p []byte) (int, error) { return f.buffer.Write(p) }

// Content returns the file for reading or mapping what has been written so far.
func (f *File) Content() (*os.File, error) { return f.file, f.buffer.Flush() }

// start begins to write to a file that is empty.
func (f *File) start(file *os.File) {
	f.file, f.buffer = file, bufio.NewWriterSize(&writer{file: file}, bufferSize)
}

// bufferSize is how many bytes are written at once.
const bufferSize = 128 << 10

// stretch is how many bytes are worth telling the kernel of.
const stretch = 1 << 20

// writer writes to the file and has the kernel begin to write it back, so that the sync at
// the end has less left to do.
type writer struct {
	file             *os.File
	written, started int64
}

func (w *writer) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.written += int64(n)
	if w.written-w.started >= stretch {
		startWriteBack(w.file, w.started, w.written-w.started)
		w.started = w.written
	}
	return n, err
}

// Create begins an output file. It fails at once where the target is a folder, or its
// folder does not exist or can't be written to.
func Create(path string) (*File, error) {
	f := &File{path: path}
	dir := os.TempDir()
	info, err := os.Stat(path)
	switch {
	case IsStdout(path):
		f.path, f.special = stdout, true
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s: %w: found a folder, expected a file or a name for a new one", path, ErrTarget)
	case err == nil && !info.Mode().IsRegular():
		f.special = true
	default:
		var wrong error
		if f.path, wrong = resolve(path); wrong != nil {
			return nil, wrong
		}
		dir = filepath.Dir(f.path)
		switch {
		case err == nil:
			f.mode = info.Mode().Perm()
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	if err := f.create(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// stdout names standard output.
const stdout = "-"

// IsStdout reports whether a target is standard output, by the name "-" or by another one
// such as /dev/stdout.
func IsStdout(path string) bool {
	if path == stdout {
		return true
	}
	target, err1 := os.Stat(path)
	out, err2 := os.Stdout.Stat()
	return err1 == nil && err2 == nil && os.SameFile(target, out)
}

// resolve follows symbolic links, also to files that do not exist yet.
func resolve(path string) (string, error) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fmt.Errorf("%s: %w: too many symbolic links", path, ErrTarget)
}

// temporary begins the names of files that have not got theirs yet: short, because a
// target's name may be as long as the file system allows.
const temporary = ".repvit-"

// neighbour creates a temporary file with a name.
func (f *File) neighbour(dir string) error {
	file, err := os.CreateTemp(dir, temporary+"*.tmp")
	if err != nil {
		return err
	}
	f.start(file)
	f.temp = file.Name()
	if f.mode == 0 {
		f.mode = newMode()
	}
	return nil
}

// Commit makes the file durable and visible under its name, or copies it to a target that
// is not a regular file. The File can't be used afterwards, whatever the result.
func (f *File) Commit() error { return Commit(f) }

// Commit is [File.Commit] for files that belong together: all of them get their names, or none does.
// Only a process that is killed between two names leaves one without the other.
func Commit(files ...*File) error {
	for _, f := range files {
		defer f.Discard()
	}
	for _, f := range files {
		if err := f.finish(); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	for i, f := range files {
		if i < len(files)-1 { // a later one may fail
			f.keep()
		}
		if err := f.name(); err != nil {
			f.forget()
			for _, named := range slices.Backward(files[:i]) {
				named.restore()
			}
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	for _, f := range files {
		f.forget()
		f.temp = ""
	}
	finished.Lock()
	defer finished.Unlock()
	for _, f := range files {
		finished.names = append(finished.names, f.path)
	}
	return nil
}

// keep gives the previous file of the target's name another one, beside its own.
func (f *File) keep() {
	if _, err := os.Lstat(f.path); err != nil || f.special {
		return
	}
	old := filepath.Join(filepath.Dir(f.path), fmt.Sprintf("%s%x.old", temporary, rand.Uint64()))
	if os.Link(f.path, old) == nil || os.Rename(f.path, old) == nil { // where there are no links
		f.kept = old
	}
}

// forget removes what was kept, of which the target's name may be the only other one.
func (f *File) forget() {
	if f.kept == "" {
		return
	}
	if _, err := os.Lstat(f.path); err != nil {
		os.Rename(f.kept, f.path)
		return
	}
	os.Remove(f.kept)
}

// restore puts back what was there before the file got its name.
func (f *File) restore() {
	switch {
	case f.special:
	case f.kept != "":
		os.Rename(f.kept, f.path)
	default:
		os.Remove(f.path)
	}
}

var finished struct {
	sync.Mutex
	names []string
}

// Finished returns the names of all outputs that this process has committed.
func Finished() []string {
	finished.Lock()
	defer finished.Unlock()
	return slices.Clone(finished.names)
}

// finish makes the content durable.
func (f *File) finish() error {
	if err := f.buffer.Flush(); err != nil {
		return err
	}
	if f.special {
		return nil
	}
	if f.mode != 0 {
		if err := f.file.Chmod(f.mode); err != nil {
			return err
		}
	}
	return syncFile(f.file)
}

// name gives the file its name.
func (f *File) name() error {
	if f.special {
		return f.copy()
	}
	if err := f.rename(); err != nil {
		return err
	}
	// The name is durable when the folder is; file systems that can't sync folders say so.
	if d, err := os.Open(filepath.Dir(f.path)); err == nil {
		_ = d.Sync()
		d.Close()
	}
	return nil
}

// syncFile makes a file durable; tests have it fail.
var syncFile = (*os.File).Sync

func (f *File) copy() error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := os.Stdout
	if f.path != stdout {
		var err error
		if out, err = os.OpenFile(f.path, os.O_WRONLY, 0); err != nil {
			return err
		}
		defer out.Close()
	}
	_, err := io.Copy(out, f.file)
	return err
}

// Discard gives the file up. After Commit, and when called again, it does nothing.
func (f *File) Discard() {
	if f.done {
		return
	}
	f.done = true
	f.file.Close()
	if f.temp != "" {
		os.Remove(f.temp)
	}
}
