// Package outfile writes files that appear whole or not at all.
//
// What is written goes into an unnamed file in the target's folder (O_TMPFILE on Linux, so
// that even a killed process leaves nothing behind; elsewhere a temporary neighbour).
// [File.Commit] syncs it and gives it the target's name in one step; until then, and
// whenever something fails, a previous file of that name stays as it was.
//
// Writing and syncing go on in the background: the disk works while the caller computes what
// comes next.
//
// A previous file's permission bits are kept; a new file gets 0666 less the umask. A
// symbolic link is followed: the file that it points to is replaced and the link stays.
// Targets that are not regular files ("-" for standard output, devices, pipes) receive the
// content at Commit.
package outfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	done    bool
	behind  *behind // nil while nothing is on its way
	written int64   // bytes that are in file
	err     error   // of the first write that failed
}

// Write appends p. It returns when p has been copied: another goroutine writes, so that the
// caller's work on what comes next goes on meanwhile. An error may be that of an earlier
// Write.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	if f.behind == nil {
		f.behind = startBehind(f.file, f.written, !f.special)
	}
	n, err := f.behind.write(p)
	if err != nil {
		_ = f.flush() // it is the same error
	}
	return n, err
}

// Content returns the file for reading or mapping what has been written so far.
func (f *File) Content() (*os.File, error) { return f.file, f.flush() }

// flush waits until everything is in the file.
func (f *File) flush() error {
	if f.behind != nil {
		f.written, f.err = f.behind.stop()
		f.behind = nil
	}
	return f.err
}

// Create begins an output file. It fails at once where the target is a folder, or its
// folder does not exist or can't be written to.
func Create(path string) (*File, error) {
	f := &File{path: path}
	dir := os.TempDir()
	if path == "-" {
		f.special = true
	} else {
		var err error
		if f.path, err = resolve(path); err != nil {
			return nil, err
		}
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			dir = filepath.Dir(f.path)
		case err != nil:
			return nil, err
		case info.IsDir():
			return nil, fmt.Errorf("%s: %w: found a folder, expected a file or a name for a new one", path, ErrTarget)
		case !info.Mode().IsRegular():
			f.special = true
		default:
			dir, f.mode = filepath.Dir(f.path), info.Mode().Perm()
		}
	}
	if err := f.create(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
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

// neighbour creates a temporary file with a name.
func (f *File) neighbour(dir string) (err error) {
	if f.file, err = os.CreateTemp(dir, "."+filepath.Base(f.path)+".*.tmp"); err != nil {
		return err
	}
	f.temp = f.file.Name()
	if f.mode == 0 {
		f.mode = newMode()
	}
	return nil
}

// Commit makes the file durable and visible under its name, or copies it to a target that
// is not a regular file. The File can't be used afterwards, whatever the result.
func (f *File) Commit() error {
	defer f.Discard()
	if err := f.commit(); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.temp = ""
	return nil
}

func (f *File) commit() error {
	if err := f.flush(); err != nil {
		return err
	}
	if f.special {
		return f.copy()
	}
	if f.mode != 0 {
		if err := f.file.Chmod(f.mode); err != nil {
			return err
		}
	}
	if err := f.file.Sync(); err != nil {
		return err
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

func (f *File) copy() error {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := os.Stdout
	if f.path != "-" {
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
	_ = f.flush()
	f.file.Close()
	if f.temp != "" {
		os.Remove(f.temp)
	}
}
