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

// IsFolder reports whether a folder is one that a checkpoint was unpacked into: it holds
// data.pkl.
func IsFolder(path string) bool {
	_, err := unpacked(path)
	return err == nil
}

// unpacked returns the folder with data.pkl: the one given, or the only one in it.
func unpacked(path string) (string, error) {
	if info, err := os.Stat(filepath.Join(path, "data.pkl")); err == nil && info.Mode().IsRegular() {
		return path, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	if len(entries) == 1 && entries[0].IsDir() {
		dir := filepath.Join(path, entries[0].Name())
		if info, err := os.Stat(filepath.Join(dir, "data.pkl")); err == nil && info.Mode().IsRegular() {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: a folder without data.pkl, expected a checkpoint, or the folder that one was unpacked into", ErrUnsupported)
}

// openFolder decodes a folder that a checkpoint's zip archive was unpacked into: the folder
// with data.pkl, or the one around it.
func openFolder(path string) (*File, error) {
	dir, err := unpacked(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &File{name: path, Format: "folder"}
	files := map[string]*folderFile{}
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
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
