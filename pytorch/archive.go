package pytorch

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
)

// Zip archives are read by the section numbers of PKWARE's APPNOTE.TXT 6.3.10. Of a record
// only what the central directory says is looked at until its bytes are asked for, because
// opening a checkpoint would else touch a page of the file for each of a thousand tensors.

// maxRatio bounds what compressed records may grow to, all together, as a multiple of the
// file. torch.save does not compress, and trained weights hardly can be; pickles shrink to
// about a tenth.
const maxRatio = 8

// Signatures and sizes of the headers.
const (
	sigLocal     = "PK\x03\x04"
	sigEntry     = "PK\x01\x02"
	sigEnd       = "PK\x05\x06"
	sigEnd64     = "PK\x06\x06"
	sigLocator64 = "PK\x06\x07"

	sizeLocal     = 30
	sizeEntry     = 46
	sizeEnd       = 22
	sizeEnd64     = 56
	sizeLocator64 = 20
)

// Compression methods.
const (
	stored   = 0
	deflated = 8
)

// archive is a zip archive's records.
type archive struct {
	records []*record // in the order in which they lie in the file
	byName  map[string]*record
}

// record is a file inside a zip archive. Its bytes are a view of the archive, or are
// decompressed, when they are first asked for, and checked against their CRC-32 then.
type record struct {
	name             string
	method           uint16
	crc              uint32
	compressed, full int    // bytes
	header           int    // offset of the local header
	space            []byte // from there to what comes next in the archive

	once sync.Once
	data []byte
	err  error
}

// recordPlace names a record for an error message.
func recordPlace(name string) string { return "record " + oneLine(name) }

func (r *record) place() string { return recordPlace(r.name) }

// size returns the bytes of the content. It is what the archive claims until the record
// is read.
func (r *record) size() int { return r.full }

func (r *record) bytes() ([]byte, error) {
	r.once.Do(func() { r.data, r.err = r.load() })
	return r.data, r.err
}

func (r *record) load() ([]byte, error) {
	data, err := r.raw()
	if err != nil {
		return nil, err
	}
	if r.method == deflated {
		compressed := flate.NewReader(bytes.NewReader(data))
		data = make([]byte, r.full)
		if _, err := io.ReadFull(compressed, data); err != nil {
			return nil, malformed(r.place(), "found fewer than the %d bytes that the archive lists: %v", r.full, err)
		}
	}
	if sum := crc32.ChecksumIEEE(data); sum != r.crc {
		return nil, malformed(r.place(), "found CRC-32 %08x, expected %08x: the file is damaged", sum, r.crc)
	}
	return data, nil
}

// raw returns the bytes behind the local header (section 4.3.7), which repeats the name.
func (r *record) raw() ([]byte, error) {
	h := r.space
	if len(h) < sizeLocal || string(h[:4]) != sigLocal {
		return nil, malformed(r.place(), "found no local header at byte %d, expected one", r.header)
	}
	name, extra := int(binary.LittleEndian.Uint16(h[26:])), int(binary.LittleEndian.Uint16(h[28:]))
	from := sizeLocal + name + extra
	if from > len(h)-r.compressed {
		return nil, malformed(r.place(), "found %d bytes from byte %d, expected at most %d to what comes next in the archive", r.compressed, r.header+from, max(0, len(h)-from))
	}
	if found := string(h[sizeLocal:][:name]); found != r.name {
		return nil, malformed(r.place(), "found the name %q in its local header at byte %d", clip(found, 200), r.header)
	}
	return h[from:][:r.compressed:r.compressed], nil
}

// openArchive reads a central directory (section 4.3.12).
func openArchive(data []byte) (*archive, error) {
	start, dir, count, err := directory(data)
	if err != nil {
		return nil, err
	}
	room := int(min(count, uint64(len(dir)/sizeEntry)))
	a := &archive{records: make([]*record, 0, room), byName: make(map[string]*record, room)}
	all := make([]record, 0, room)
	inflated := 0
	for range count {
		if len(dir) < sizeEntry || string(dir[:4]) != sigEntry {
			return nil, malformed("zip directory", "found %d entries, expected %d", len(a.records), count)
		}
		le := binary.LittleEndian
		flags, method := le.Uint16(dir[8:]), le.Uint16(dir[10:])
		crc, compressed, full := le.Uint32(dir[16:]), uint64(le.Uint32(dir[20:])), uint64(le.Uint32(dir[24:]))
		lengths := [3]int{int(le.Uint16(dir[28:])), int(le.Uint16(dir[30:])), int(le.Uint16(dir[32:]))} // name, extra, comment
		header := uint64(le.Uint32(dir[42:]))
		size := sizeEntry + lengths[0] + lengths[1] + lengths[2]
		if size > len(dir) {
			return nil, malformed("zip directory", "found its end in an entry of %d bytes", size)
		}
		name := string(dir[sizeEntry:][:lengths[0]])
		extra := dir[sizeEntry+lengths[0]:][:lengths[1]]
		dir = dir[size:]
		if !wide(extra, &full, &compressed, &header) {
			return nil, malformed(recordPlace(name), "found no sizes of 64 bits, expected them where those of 32 do not suffice")
		}
		if strings.HasSuffix(name, "/") {
			continue // a directory
		}
		if a.byName[name] != nil {
			return nil, malformed(recordPlace(name), "it stands twice in the archive")
		}
		if flags&1 != 0 {
			return nil, fmt.Errorf("%w: %s is encrypted", ErrUnsupported, recordPlace(name))
		}
		if header > uint64(start) || compressed > uint64(start)-header {
			return nil, malformed(recordPlace(name), "found %d bytes from byte %d, expected a record inside the %d bytes in front of the directory", compressed, header, start)
		}
		switch method {
		case stored:
			if full != compressed {
				return nil, malformed(recordPlace(name), "found sizes %d and %d, expected them to be equal in a stored record", compressed, full)
			}
		case deflated:
			most := 1<<20 + maxRatio*len(data)
			if full > uint64(most-inflated) {
				return nil, malformed(recordPlace(name), "found %d bytes compressed to %d, expected at most %d in all compressed records of a file of %d bytes", full, compressed, most, len(data))
			}
			inflated += int(full)
		default:
			return nil, fmt.Errorf("%w: %s has compression method %d, expected a stored or deflated record", ErrUnsupported, recordPlace(name), method)
		}
		all = append(all, record{name: name, method: method, crc: crc, compressed: int(compressed), full: int(full), header: int(header)})
		r := &all[len(all)-1] // stays there: room is for as many entries as there can be
		a.records = append(a.records, r)
		a.byName[name] = r
	}
	// Overlapping records are how a small archive pretends to hold much.
	slices.SortStableFunc(a.records, func(a, b *record) int { return cmp.Compare(a.header, b.header) })
	for i, r := range a.records {
		end := start
		if i+1 < len(a.records) {
			end = a.records[i+1].header
		}
		if r.header+sizeLocal+r.compressed > end {
			what := "the directory"
			if end != start {
				what = a.records[i+1].place()
			}
			return nil, malformed(r.place(), "it overlaps %s", what)
		}
		r.space = data[r.header:end]
	}
	return a, nil
}

// directory finds the central directory by the record at the archive's end (sections 4.3.14
// to 4.3.16). It returns its offset, its bytes and the number of its entries.
func directory(data []byte) (start int, dir []byte, count uint64, err error) {
	bad := func(format string, args ...any) (int, []byte, uint64, error) {
		return 0, nil, 0, malformed("zip directory", format+"; expected a complete archive: the file is truncated or damaged", args...)
	}
	at := bytes.LastIndex(data[max(0, len(data)-sizeEnd-math.MaxUint16):], []byte(sigEnd))
	if at < 0 {
		return bad("found no record that ends it")
	}
	at += max(0, len(data)-sizeEnd-math.MaxUint16)
	if len(data)-at < sizeEnd {
		return bad("found the end of the file in the record that ends it")
	}
	le := binary.LittleEndian
	end := data[at:]
	count, size, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	if count == math.MaxUint16 || size == math.MaxUint32 || offset == math.MaxUint32 {
		if l := at - sizeLocator64; l >= 0 && string(data[l:][:4]) == sigLocator64 {
			at64 := le.Uint64(data[l+8:])
			if at64 > uint64(l) || uint64(l)-at64 < sizeEnd64 || string(data[at64:][:4]) != sigEnd64 {
				return bad("found no record of 64 bits that ends it at byte %d", at64)
			}
			end := data[at64:]
			count, size, offset = le.Uint64(end[32:]), le.Uint64(end[40:]), le.Uint64(end[48:])
			at = int(at64)
		}
	}
	if offset > uint64(at) || size > uint64(at)-offset {
		return bad("found it at bytes %d to %d, past what ends it at %d", offset, offset+size, at)
	}
	return int(offset), data[offset : offset+size], count, nil
}

// wide replaces sizes and offset of an entry by those of 64 bits where the ones of 32 are
// all ones (section 4.5.3), and reports whether it found what it needed.
func wide(extra []byte, fields ...*uint64) bool {
	var missing []*uint64
	for _, f := range fields {
		if *f == math.MaxUint32 {
			missing = append(missing, f)
		}
	}
	if len(missing) == 0 {
		return true
	}
	le := binary.LittleEndian
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			break
		}
		if id == 1 {
			if n < 8*len(missing) {
				break
			}
			for i, f := range missing {
				*f = le.Uint64(extra[8*i:])
			}
			return true
		}
		extra = extra[n:]
	}
	return false
}
