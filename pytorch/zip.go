package pytorch

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxRatio bounds what compressed records may grow to, all together, as a multiple of the
// file. torch.save does not compress, and trained weights hardly can be; pickles shrink to
// about a tenth.
const maxRatio = 8

// record is a file inside a zip archive. Its bytes are a view of the archive, or are
// decompressed, when they are first asked for, and checked against their CRC-32 then.
type record struct {
	name string
	file *zip.File
	raw  []byte // as it lies in the archive

	once sync.Once
	data []byte
	err  error
}

// recordPlace names a record for an error message.
func recordPlace(name string) string { return "record " + oneLine(name) }

func (r *record) place() string { return recordPlace(r.name) }

func (r *record) bytes() ([]byte, error) {
	r.once.Do(func() { r.data, r.err = r.load() })
	return r.data, r.err
}

// size returns the bytes of the content. It is what the archive claims until the record
// is read.
func (r *record) size() int { return int(r.file.UncompressedSize64) }

func (r *record) load() ([]byte, error) {
	data := r.raw
	if r.file.Method == zip.Deflate {
		rc, err := r.file.Open()
		if err != nil {
			return nil, malformed(r.place(), "%v", err)
		}
		defer rc.Close()
		data = make([]byte, r.size())
		if _, err := io.ReadFull(rc, data); err != nil {
			return nil, malformed(r.place(), "found fewer than the %d bytes that the archive lists: %v", r.size(), err)
		}
	}
	if sum := crc32.ChecksumIEEE(data); sum != r.file.CRC32 {
		return nil, malformed(r.place(), "found CRC-32 %08x, expected %08x: the file is damaged", sum, r.file.CRC32)
	}
	return data, nil
}

// openZip lists an archive's records by name.
func openZip(data []byte) (map[string]*record, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, malformed("zip directory", "%v; expected a complete archive: the file is truncated or damaged", err)
	}
	records := make(map[string]*record, len(z.File))
	type span struct {
		from, to int64
		name     string
	}
	spans := make([]span, 0, len(z.File))
	inflated := 0
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue // a directory
		}
		if records[f.Name] != nil {
			return nil, malformed(recordPlace(f.Name), "it stands twice in the archive")
		}
		if f.Flags&1 != 0 {
			return nil, fmt.Errorf("%w: %s is encrypted", ErrUnsupported, recordPlace(f.Name))
		}
		from, err := f.DataOffset()
		if err != nil {
			return nil, malformed(recordPlace(f.Name), "%v", err)
		}
		if f.CompressedSize64 > uint64(len(data)) || from < 0 || from > int64(len(data))-int64(f.CompressedSize64) {
			return nil, malformed(recordPlace(f.Name), "found %d bytes from byte %d, expected a record inside the %d bytes of the file", f.CompressedSize64, from, len(data))
		}
		to := from + int64(f.CompressedSize64)
		switch f.Method {
		case zip.Store:
			if f.UncompressedSize64 != f.CompressedSize64 {
				return nil, malformed(recordPlace(f.Name), "found sizes %d and %d, expected them to be equal in a stored record", f.CompressedSize64, f.UncompressedSize64)
			}
		case zip.Deflate:
			most := 1<<20 + maxRatio*len(data)
			if f.UncompressedSize64 > uint64(most-inflated) {
				return nil, malformed(recordPlace(f.Name), "found %d bytes compressed to %d, expected at most %d in all compressed records of a file of %d bytes", f.UncompressedSize64, f.CompressedSize64, most, len(data))
			}
			inflated += int(f.UncompressedSize64)
		default:
			return nil, fmt.Errorf("%w: %s has compression method %d, expected a stored or deflated record", ErrUnsupported, recordPlace(f.Name), f.Method)
		}
		spans = append(spans, span{from, to, f.Name})
		records[f.Name] = &record{name: f.Name, file: f, raw: data[from:to]}
	}
	// Overlapping records are how a small archive pretends to hold much.
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return nil, malformed(recordPlace(spans[i].name), "it overlaps %s", recordPlace(spans[i-1].name))
		}
	}
	return records, nil
}

// checkAhead begins to check stored records on another core until stop is called: the pickle
// keeps only one busy. What is wrong with a record is told when it is asked for.
func checkAhead(records map[string]*record) (stop func()) {
	var stopped atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, r := range records {
			if stopped.Load() {
				return
			}
			if r.file.Method == zip.Store {
				_, _ = r.bytes()
			}
		}
	})
	return func() {
		stopped.Store(true)
		wg.Wait()
	}
}

// decodeZip decodes the format of PyTorch 1.6 and later: NAME/data.pkl, a pickle, and
// NAME/data/KEY, the raw storages that it refers to.
func decodeZip(data []byte) (any, error) {
	records, err := openZip(data)
	if err != nil {
		return nil, err
	}
	var pickles []string
	for name := range records {
		if name == "data.pkl" || strings.HasSuffix(name, "/data.pkl") && strings.Count(name, "/") == 1 {
			pickles = append(pickles, name)
		}
	}
	slices.Sort(pickles)
	if len(pickles) != 1 {
		return nil, malformed("zip directory", "found %d records NAME/data.pkl among %d, expected one", len(pickles), len(records))
	}
	dir := strings.TrimSuffix(pickles[0], "data.pkl")
	for name := range records {
		if name == dir+"constants.pkl" || strings.HasPrefix(name, dir+"code/") {
			return nil, fmt.Errorf("%w: a TorchScript archive, expected a checkpoint written by torch.save; save the state dict of the network it was traced from", ErrUnsupported)
		}
	}
	if r, ok := records[dir+"byteorder"]; ok {
		order, err := r.bytes()
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("%w: %s says %q, expected \"little\"", ErrUnsupported, r.place(), clip(string(order), 20))
		}
	}
	r := records[pickles[0]]
	if r.size() > maxPickle {
		return nil, malformed(r.place(), "found %d bytes, expected %d at most", r.size(), maxPickle)
	}
	text, err := r.bytes()
	if err != nil {
		return nil, err
	}
	u := &unpickler{place: r.place(), storage: func(key string, d DType, numel int) (source, int, error) {
		s, ok := records[dir+"data/"+key]
		if !ok {
			return nil, 0, malformed(recordPlace(dir+"data/"+key), "missing, expected a storage of %d elements", numel)
		}
		bytes, ok := times(numel, d.Size(), true)
		if !ok || bytes > s.size() {
			return nil, 0, malformed(s.place(), "found %d bytes, expected %d elements of %s", s.size(), numel, d)
		}
		return s, numel, nil
	}}
	stop := checkAhead(records)
	root, n, err := u.run(text)
	stop()
	if err != nil {
		return nil, err
	}
	if n != len(text) {
		return nil, malformed(r.place(), "found %d bytes after the pickle's end, expected none", len(text)-n)
	}
	return root, nil
}
