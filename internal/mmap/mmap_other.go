//go:build !unix

package mmap

import (
	"io"
	"os"
)

// mapFile reads the file where mapping is not available.
func mapFile(f *os.File, size int) (*Map, error) {
	data := make([]byte, size)
	// Not from where whoever wrote the file stands.
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, int64(size)), data); err != nil {
		return nil, err
	}
	return &Map{Data: data}, nil
}
