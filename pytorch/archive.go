package pytorch

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
)

// maxRatio bounds what compressed records may grow to, all together, as a multiple of the
// file. torch.save does not compress, and trained weights hardly can be; pickles shrink to
// about a tenth.
const maxRatio = 8

// localHeader is the length of the header in front of a record's name and content.
const localHeader = 30

// record is a file inside a zip archive. Its bytes are a view of the archive, or are
// decompressed, when they are first asked for, and checked against their CRC-32 then.
type record struct {
	file *zip.File
	raw  []byte // as they lie in the archive
	from int    // where they do

	once sync.Once
	data []byte
	err  error
}

// recordPlace names a record for an error message.
func recordPlace(name string) string { return "record " + oneLine(name) }

func (r *record) place() string { return recordPlace(r.file.Name) }

// size returns the bytes of the content. It is what the archive claims until the record
// is read.
func (r *record) size() int { return int(r.file.UncompressedSize64) }

func (r *record) bytes() ([]byte, error) {
	r.once.Do(func() { r.data, r.err = r.load() })
	return r.data, r.err
}

func (r *record) load() ([]byte, error) {
	data := r.raw
	if r.file.Method == zip.Deflate {
		data = make([]byte, r.size())
		if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(r.raw)), data); err != nil {
			return nil, malformed(r.place(), "found fewer than the %d bytes that the archive lists: %v", r.size(), err)
		}
	}
	if sum := crc32.ChecksumIEEE(data); sum != r.file.CRC32 {
		return nil, malformed(r.place(), "found CRC-32 %08x, expected %08x: the file is damaged", sum, r.file.CRC32)
	}
	return data, nil
}

// openArchive returns the records of a zip archive.
func openArchive(data []byte) (map[string]*record, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, malformed("zip directory", "found none that is valid, expected a complete archive: the file is truncated or damaged")
	}
	records := make(map[string]*record, len(z.File))
	sorted := make([]*record, 0, len(z.File))
	inflated := uint64(0)
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue // a directory
		}
		r := &record{file: f}
		full, compressed := f.UncompressedSize64, f.CompressedSize64
		switch {
		case records[f.Name] != nil:
			return nil, malformed(r.place(), "it stands twice in the archive")
		case f.Flags&1 != 0:
			return nil, fmt.Errorf("%w: %s is encrypted", ErrUnsupported, r.place())
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return nil, fmt.Errorf("%w: %s has compression method %d, expected a stored or deflated record", ErrUnsupported, r.place(), f.Method)
		}
		from, err := f.DataOffset()
		if err != nil {
			return nil, malformed(r.place(), "found no local header where the archive lists one")
		}
		if from > int64(len(data)) || compressed > uint64(int64(len(data))-from) {
			return nil, malformed(r.place(), "found %d bytes from byte %d, expected a record inside the %d bytes of the file", compressed, from, len(data))
		}
		if f.Method == zip.Store && full != compressed {
			return nil, malformed(r.place(), "found sizes %d and %d, expected them to be equal in a stored record", compressed, full)
		}
		if f.Method == zip.Deflate {
			most := min(1<<20+maxRatio*uint64(len(data)), math.MaxInt)
			if full > most-inflated {
				return nil, malformed(r.place(), "found %d bytes compressed to %d, expected at most %d in all compressed records of a file of %d bytes", full, compressed, most, len(data))
			}
			inflated += full
		}
		r.from = int(from)
		r.raw = data[from:][:compressed:compressed]
		records[f.Name] = r
		sorted = append(sorted, r)
	}
	// Overlapping records are how a small archive pretends to hold much.
	slices.SortFunc(sorted, func(a, b *record) int { return cmp.Compare(a.from, b.from) })
	end := 0 // of the record before
	for i, r := range sorted {
		if r.from-localHeader-len(r.file.Name) < end {
			return nil, malformed(sorted[max(i-1, 0)].place(), "it overlaps %s", r.place())
		}
		if !bytes.Contains(data[end:r.from], []byte(r.file.Name)) {
			return nil, malformed(r.place(), "found another name in its local header, before byte %d", r.from)
		}
		end = r.from + len(r.raw)
	}
	return records, nil
}
