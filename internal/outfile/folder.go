package outfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Folder is an output of several files in a folder of their own that has no name yet. A killed process
// leaves it beside the target, under a name that begins with a dot.
type Folder struct {
	path, temp string
	files      []*os.File
	done       bool
}

// CreateFolder begins a folder with files of the names given, below the target's. A folder of that name
// is replaced as a whole where ours says that it is one of the kind; anything else there is an error
// that wraps [ErrTarget].
func CreateFolder(path string, names []string, ours func(path string) bool) (*Folder, error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); err == nil && !ours(path) {
		return nil, fmt.Errorf("%s: %w: something else stands there, expected nothing or a package that can be replaced", path, ErrTarget)
	}
	temp, err := os.MkdirTemp(filepath.Dir(path), temporary+"*.tmp")
	if err != nil {
		return nil, err
	}
	f := &Folder{path: path, temp: temp}
	if err := f.create(names); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}

func (f *Folder) create(names []string) error {
	if err := os.Chmod(f.temp, 0o111|newMode()); err != nil {
		return err
	}
	for _, name := range names {
		rest, err := filepath.Rel(f.path, name)
		if err != nil {
			return err
		}
		full := filepath.Join(f.temp, rest)
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			return err
		}
		file, err := os.OpenFile(full, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		f.files = append(f.files, file)
	}
	return nil
}

// Writers are the files, in the order of their names.
func (f *Folder) Writers() (all []io.Writer) {
	for _, file := range f.files {
		all = append(all, file)
	}
	return all
}

// Contents are the files, for reading or mapping what has been written.
func (f *Folder) Contents() []*os.File { return f.files }

// Commit makes the files durable and gives the folder its name, in one step where the system can.
func (f *Folder) Commit() error {
	defer f.Discard()
	for _, file := range f.files {
		if err := syncFile(file); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	if _, err := os.Lstat(f.path); err == nil {
		// What was there comes back where its name can't be given.
		if err := exchange(f.temp, f.path); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	} else if err := os.Rename(f.temp, f.path); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	finished.Lock()
	defer finished.Unlock()
	finished.names = append(finished.names, f.path)
	return nil
}

// swap exchanges two folders in two steps.
func swap(a, b string) error {
	aside := a + ".old"
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}

// Discard gives the folder up, or removes what was replaced.
func (f *Folder) Discard() {
	if f.done {
		return
	}
	f.done = true
	for _, file := range f.files {
		file.Close()
	}
	os.RemoveAll(f.temp)
}
