package pytorch

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/repvit-go/repvit/internal/mmap"
)

// maxFolder bounds the files of an unpacked checkpoint, which has one for each storage.
const maxFolder = 100_000

// folderFile is a file of an unpacked checkpoint.
type folderFile struct {
	name string
	data []byte
}

func (f *folderFile) place() string          { return "file " + oneLine(f.name) }
func (f *folderFile) size() int              { return len(f.data) }
func (f *folderFile) bytes() ([]byte, error) { return f.data, nil }

// openFolder decodes a folder that a checkpoint's zip archive was unpacked into: the folder
// with data.pkl, or the one around it.
func openFolder(path string) (*File, error) {
	dir := path
	if _, err := os.Stat(filepath.Join(dir, "data.pkl")); err != nil {
		found, err := filepath.Glob(filepath.Join(globEscape(dir), "*", "data.pkl"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%s: %w: a folder with %d files */data.pkl, expected a checkpoint, or the folder that one was unpacked into", path, ErrUnsupported, len(found))
		}
		dir = filepath.Dir(found[0])
	}
	f := &File{name: path, Format: "folder"}
	files := map[string]*folderFile{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if !e.Type().IsRegular() {
			return nil
		}
		if len(files) == maxFolder {
			return fmt.Errorf("%w: more than %d files", ErrUnsupported, maxFolder)
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		m, err := mmap.Open(name)
		if err != nil {
			return err
		}
		f.maps = append(f.maps, m)
		rel = filepath.ToSlash(rel)
		files[rel] = &folderFile{rel, m.Data}
		return nil
	})
	if err == nil {
		f.root, err = decodeRecords(files)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// globEscape makes a path match itself only.
func globEscape(path string) string {
	out := make([]rune, 0, len(path))
	for _, r := range path {
		if (r == '*' || r == '?' || r == '[' || r == '\\') && filepath.Separator != '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
