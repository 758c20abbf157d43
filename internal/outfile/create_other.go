//go:build !linux

package outfile

import "os"

func (f *File) create(dir string) error { return f.neighbour(dir) }

func (f *File) rename() error {
	f.file.Close() // some systems can't rename an open file
	return os.Rename(f.temp, f.path)
}

func newMode() os.FileMode { return 0o644 }

func startWriteBack(f *os.File, from, n int64) {}

func exchange(a, b string) error { return swap(a, b) }
