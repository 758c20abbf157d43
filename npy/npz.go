package npy

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/repvit-go/repvit/graph"
)

// Array is an array of an .npz file.
type Array struct {
	Name   string // without ".npy"
	Tensor *graph.Tensor
}

const (
	maxName     = 4 << 10
	freeBytes   = 64 << 20
	bytesPerOne = 64
	maxRatio    = 1032 // of deflate
)

// ReadZip decodes an .npz file, stored or deflated, and returns its arrays in the order of
// its directory. Arrays that are stored are views of data, like those of [Read]. The error
// names the array and wraps [ErrFormat] or [ErrUnsupported].
func ReadZip(data []byte) ([]Array, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	limit := uint64(freeBytes + bytesPerOne*len(data))
	seen := map[string]bool{}
	arrays := make([]Array, 0, len(r.File))
	for _, f := range r.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok || len(f.Name) > maxName {
			return nil, fmt.Errorf("%w: member %q, expected names that end in .npy", ErrFormat, clip(f.Name))
		}
		if seen[name] {
			return nil, fmt.Errorf("%w: array %q twice", ErrFormat, clip(name))
		}
		seen[name] = true
		// The total, so that members that share their bytes are not unpacked without end.
		if f.UncompressedSize64 > limit {
			return nil, fmt.Errorf("%w: array %q: found %d bytes, expected at most %d for what is left of an archive of %d", ErrFormat, clip(name), f.UncompressedSize64, limit, len(data))
		}
		limit -= f.UncompressedSize64
		content, err := member(data, f)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", clip(name), err)
		}
		t, err := Read(content)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", clip(name), err)
		}
		arrays = append(arrays, Array{name, t})
	}
	return arrays, nil
}

// ReadArrays decodes an .npz file, or an .npy file as one array without a name, told apart by
// how they begin. The error is that of [ReadZip] or [Read].
func ReadArrays(data []byte) ([]Array, error) {
	if bytes.HasPrefix(data, []byte("PK")) {
		return ReadZip(data)
	}
	t, err := Read(data)
	if err != nil {
		return nil, err
	}
	return []Array{{Tensor: t}}, nil
}

// WriteZip writes arrays as an .npz file, stored and without times, so that the same arrays
// give the same bytes. The error is that of w, or wraps [ErrFormat] for a name that an .npz
// can't hold and [graph.ErrShape] for a tensor whose data does not fit its shape.
func WriteZip(w io.Writer, arrays []Array) error {
	z := NewZipWriter(w)
	for _, a := range arrays {
		if err := z.Add(a); err != nil {
			return err
		}
	}
	return z.Close()
}

// ZipWriter is [WriteZip] for arrays that come one after the other.
type ZipWriter struct {
	zip  *zip.Writer
	seen map[string]bool
}

// NewZipWriter begins an .npz file.
func NewZipWriter(w io.Writer) *ZipWriter { return &ZipWriter{zip.NewWriter(w), map[string]bool{}} }

// Add writes an array. The error is one of [WriteZip].
func (z *ZipWriter) Add(a Array) error {
	if a.Name == "" || len(a.Name)+len(".npy") > maxName || z.seen[a.Name] || !utf8.ValidString(a.Name) {
		return fmt.Errorf("%w: array %q, expected a name of at most %d bytes of UTF-8 that no other has", ErrFormat, clip(a.Name), maxName)
	}
	z.seen[a.Name] = true
	m, err := z.zip.CreateHeader(&zip.FileHeader{Name: a.Name + ".npy", Method: zip.Store})
	if err != nil {
		return err
	}
	if err := Write(m, a.Tensor); err != nil {
		return fmt.Errorf("array %q: %w", clip(a.Name), err)
	}
	return nil
}

// Close ends the file, which is none before.
func (z *ZipWriter) Close() error { return z.zip.Close() }

// member returns the content of a member, a view where it is stored.
func member(data []byte, f *zip.File) ([]byte, error) {
	if f.Flags&1 != 0 {
		return nil, fmt.Errorf("%w: it is encrypted", ErrUnsupported)
	}
	switch f.Method {
	case zip.Store:
		at, err := f.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		size := f.UncompressedSize64
		if f.CompressedSize64 != size || at > int64(len(data)) || size > uint64(int64(len(data))-at) {
			return nil, fmt.Errorf("%w: found %d bytes at %d, expected them inside the archive of %d", ErrFormat, size, at, len(data))
		}
		content := data[at : at+int64(size) : at+int64(size)]
		if crc := crc32.ChecksumIEEE(content); crc != f.CRC32 {
			return nil, fmt.Errorf("%w: found CRC-32 %08x, expected %08x", ErrFormat, crc, f.CRC32)
		}
		return content, nil
	case zip.Deflate:
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		defer r.Close()
		size := f.UncompressedSize64
		if size > maxRatio*(f.CompressedSize64+1) || f.CompressedSize64 > uint64(len(data)) {
			return nil, fmt.Errorf("%w: found %d bytes that unpack to %d, expected a ratio of at most %d", ErrFormat, f.CompressedSize64, size, maxRatio)
		}
		content := make([]byte, size)
		if _, err := io.ReadFull(r, content); err != nil {
			return nil, fmt.Errorf("%w: found fewer bytes than %d: %w", ErrFormat, size, err)
		}
		// At its end the reader checks the CRC-32.
		if _, err := io.ReadFull(r, make([]byte, 1)); err != io.EOF {
			return nil, fmt.Errorf("%w: found more bytes than %d or another CRC-32: %v", ErrFormat, size, err)
		}
		return content, nil
	}
	return nil, fmt.Errorf("%w: compression method %d, expected stored or deflated", ErrUnsupported, f.Method)
}
