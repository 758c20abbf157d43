// Package mmap gives read-only views of whole files.
package mmap

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/repvit-go/repvit/internal/infile"
)

// Map is a file's content. Data must not be written to, nor read after Close.
//
// Where the operating system maps files, pages are read when they are touched and belong
// to the page cache. A file that another process shortens while it is mapped ends the
// program with a bus error at the first touch beyond its end: replace files by renaming.
type Map struct {
	Data []byte

	once  sync.Once
	unmap func() error
	err   error
}

// Open maps a regular file. An empty file gives empty Data. The error is an
// [*fs.PathError], which wraps [infile.ErrKind] for what is no regular file.
func Open(path string) (*Map, error) {
	f, err := infile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Of(f)
}

// Of maps what a regular file holds now; the file may be closed afterwards. The error is
// an [*fs.PathError].
func Of(f *os.File) (*Map, error) {
	path := f.Name()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size == 0 {
		return &Map{}, nil
	}
	if size != int64(int(size)) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%d bytes do not fit into memory", size)}
	}
	m, err := mapFile(f, int(size))
	if err != nil {
		return nil, &fs.PathError{Op: "mmap", Path: path, Err: err}
	}
	return m, nil
}

// Close releases the view. It may be called more than once.
func (m *Map) Close() error {
	m.once.Do(func() {
		m.Data = nil
		if m.unmap != nil {
			m.err = m.unmap()
		}
	})
	return m.err
}
