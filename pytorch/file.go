package pytorch

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/repvit-go/repvit/internal/mmap"
)

// File is an open checkpoint. Its methods may be called concurrently.
type File struct {
	// Format is the container: "zip", "legacy" (the stream of PyTorch before 1.6) or
	// "safetensors".
	Format string
	// Metadata is the __metadata__ of a safetensors file.
	Metadata map[string]string

	name string
	root any // the decoded object: own types of this package or of gopickle
	m    *mmap.Map
}

// Open maps and decodes a file. Its tensors are views of the mapped file and valid until
// [File.Close]. The error names the file and wraps [ErrFormat], [ErrUnsupported],
// [ErrUnsafe] or an [*fs.PathError].
func Open(path string) (*File, error) {
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
	f.m = m
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
	case isSafetensors(data):
		f.Format = "safetensors"
		f.root, f.Metadata, err = decodeSafetensors(data)
	case len(data) > 262 && bytes.HasPrefix(data[257:], []byte("ustar")):
		return fmt.Errorf("%w: a tar archive of PyTorch before 0.1.10; save it again with a newer PyTorch", ErrUnsupported)
	default:
		return malformed("byte 0", "found %q, expected the zip or legacy format of torch.save, or safetensors", data[:min(len(data), 8)])
	}
	return err
}

// Close releases the mapped file. Tensors and views of their elements must not be used
// afterwards.
func (f *File) Close() error {
	if f.m == nil {
		return nil
	}
	return f.m.Close()
}
