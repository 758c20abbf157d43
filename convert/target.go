package convert

import (
	"io"
	"os"

	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/internal/outfile"
)

// target is what is written: the files of a model, or a folder of them. They have no names yet.
type target struct {
	files  []*outfile.File
	folder *outfile.Folder
}

// create begins the output.
func (j *job) create() (*target, error) {
	t := &target{}
	paths := j.f.Paths(j.path)
	if j.f.Folder {
		var err error
		t.folder, err = outfile.CreateFolder(j.path, paths, func(path string) bool { return format.FolderOf(path) == j.f })
		return t, err
	}
	for _, p := range paths {
		f, err := outfile.Create(p)
		if err != nil {
			t.discard()
			return nil, err
		}
		t.files = append(t.files, f)
	}
	return t, nil
}

func (t *target) writers() (all []io.Writer) {
	if t.folder != nil {
		return t.folder.Writers()
	}
	for _, f := range t.files {
		all = append(all, f)
	}
	return all
}

// maps returns what has been written.
func (t *target) maps() (maps []*mmap.Map, err error) {
	var files []*os.File
	if t.folder != nil {
		files = t.folder.Contents()
	}
	for _, f := range t.files {
		content, err := f.Content()
		if err != nil {
			return nil, err
		}
		files = append(files, content)
	}
	for _, f := range files {
		m, err := mmap.Of(f)
		if err != nil {
			format.Unmap(maps)
			return nil, err
		}
		maps = append(maps, m)
	}
	return maps, nil
}

func (t *target) discard() {
	if t.folder != nil {
		t.folder.Discard()
	}
	for _, f := range t.files {
		f.Discard()
	}
}

// commit gives all outputs their names, or none; folders one after the other.
func commit(targets []*target) error {
	var files []*outfile.File
	for _, t := range targets {
		if t.folder != nil {
			if err := t.folder.Commit(); err != nil {
				return err
			}
		}
		files = append(files, t.files...)
	}
	return outfile.Commit(files...)
}
