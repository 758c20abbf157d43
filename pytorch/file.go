package pytorch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/repvit-go/repvit/internal/mmap"
	"github.com/repvit-go/repvit/safetensors"
)

// File is an open checkpoint. Its methods may be called concurrently.
type File struct {
	// Format is the container: "zip", "folder" (an unpacked zip), "legacy" (the stream of
	// PyTorch before 1.6) or "safetensors".
	Format string
	// Metadata is the __metadata__ of a safetensors file.
	Metadata map[string]string

	name string
	root any // the decoded object: own types of this package or of gopickle
	maps []*mmap.Map
}

// Open maps and decodes a file, or a folder that a checkpoint was unpacked into. Its tensors
// are views of the mapped file and valid until [File.Close]. The error names the file and wraps
// [ErrFormat], [ErrUnsupported], [ErrUnsafe] or an [*fs.PathError].
func Open(path string) (*File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openFolder(path)
	}
	m, err := mmap.Open(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f, err := Decode(path, m.Data)
	if err != nil {
		m.Close()
		return nil, err
	}
	f.maps = []*mmap.Map{m}
	return f, nil
}

// Decode decodes a file's content, which must not change while the File is in use. The
// name is for errors.
func Decode(name string, data []byte) (*File, error) {
	f := &File{name: name}
	if err := f.decode(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (f *File) decode(data []byte) (err error) {
	switch {
	case len(data) == 0:
		return malformed("byte 0", "the file is empty, expected a checkpoint written by torch.save or a safetensors file")
	case bytes.HasPrefix(data, []byte("PK")):
		f.Format = "zip"
		f.root, err = decodeZip(data)
	case isLegacy(data):
		f.Format = "legacy"
		f.root, err = decodeLegacy(data)
	case safetensors.Is(data):
		f.Format = "safetensors"
		f.root, f.Metadata, err = decodeSafetensors(data)
	default:
		return notCheckpoint(data)
	}
	return err
}

// Close releases the mapped file. Tensors and views of their elements must not be used
// afterwards.
func (f *File) Close() error {
	var errs []error
	for _, m := range f.maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}
