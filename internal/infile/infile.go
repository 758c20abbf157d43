// Package infile opens files for reading that are files: a pipe or device in the place of
// one is an error at once instead of a wait for somebody who writes into it.
package infile

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// ErrKind is wrapped by errors about what is no regular file.
var ErrKind = errors.New("expected a regular file")

// Open opens a regular file for reading. The error is an [*fs.PathError], which wraps
// [ErrKind] for anything else.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: kindError(kind(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile returns a regular file's content, with the errors of [Open].
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

type kindError string

func (e kindError) Error() string { return "found " + string(e) + ", " + ErrKind.Error() }
func (e kindError) Unwrap() error { return ErrKind }

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "no file"
}
