package pytorch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// zipped writes an archive with the standard library.
func zipped(t *testing.T, comment string, records map[string][]byte, method func(i int) uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	i := 0
	for name, content := range records {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method(i)})
		if err != nil {
			t.Fatal(err)
		}
		f.Write(content)
		i++
	}
	if err := errors.Join(w.SetComment(comment), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestArchive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, comment := range []string{"", "a comment", strings.Repeat("long ", 10000), "with PK\x05\x06 inside"} {
		records := map[string][]byte{"empty": nil, "dir/": nil}
		for i := range 100 {
			v := make([]byte, r.IntN(5000))
			for j := range v {
				v[j] = byte(r.IntN(4))
			}
			records[fmt.Sprintf("dir/%d.näme", i)] = v
		}
		data := zipped(t, comment, records, func(i int) uint16 { return uint16(i%2) * zip.Deflate })
		a, err := openArchive(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != len(records)-1 {
			t.Errorf("found %d records, want %d", len(a), len(records)-1)
		}
		for name, x := range a {
			got, err := x.bytes()
			if want := records[name]; err != nil || !bytes.Equal(got, want) || x.size() != len(want) {
				t.Errorf("%s: found %d bytes, want %d: %v", name, len(got), len(want), err)
			}
		}
	}
}

// archive64 is an archive of one stored record whose sizes and offsets are of 64 bits
// wherever the format has room for them.
func archive64(content string, change func(entry, extra, end []byte)) []byte {
	le := binary.LittleEndian
	crc := crc32.ChecksumIEEE([]byte(content))
	var b []byte
	b = append(b, "PK\x03\x04"...)
	b = append(b, make([]byte, localHeader-4)...)
	le.PutUint32(b[14:], crc)
	le.PutUint16(b[26:], 1)
	b = append(b, "a"+content...)

	entry := append([]byte("PK\x01\x02"), make([]byte, 46-4)...)
	le.PutUint32(entry[16:], crc)
	for _, at := range []int{20, 24, 42} {
		le.PutUint32(entry[at:], math.MaxUint32)
	}
	le.PutUint16(entry[28:], 1)
	extra := make([]byte, 4, 34)
	le.PutUint16(extra, 99) // some other field first
	le.PutUint16(extra[2:], 2)
	extra = append(extra, 0, 0)
	extra = le.AppendUint16(extra, 1)
	extra = le.AppendUint16(extra, 24)
	extra = le.AppendUint64(extra, uint64(len(content)))
	extra = le.AppendUint64(extra, uint64(len(content)))
	extra = le.AppendUint64(extra, 0)
	le.PutUint16(entry[30:], uint16(len(extra)))

	end := append([]byte("PK\x06\x06"), make([]byte, 56-4)...)
	le.PutUint64(end[32:], 1)
	le.PutUint64(end[40:], uint64(len(entry)+1+len(extra)))
	le.PutUint64(end[48:], uint64(len(b)))
	if change != nil {
		change(entry, extra, end)
	}
	b = append(append(append(b, entry...), 'a'), extra...)
	at := len(b)
	b = append(b, end...)
	b = append(b, "PK\x06\x07"...)
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint64(b, uint64(at))
	b = append(b, 1, 0, 0, 0)
	b = append(b, "PK\x05\x06"...)
	b = append(b, 0, 0, 0, 0)
	b = append(b, bytes.Repeat([]byte{0xff}, 12)...)
	return append(b, 0, 0)
}

func TestArchive64(t *testing.T) {
	le := binary.LittleEndian
	for name, tt := range map[string]struct {
		change func(entry, extra, end []byte)
		want   string // part of the error, "" for none
	}{
		"right":             {nil, ""},
		"huge record":       {func(_, extra, _ []byte) { le.PutUint64(extra[18:], 1<<63) }, "expected a record inside"},
		"far record":        {func(_, extra, _ []byte) { le.PutUint64(extra[26:], 1<<63) }, "no local header"},
		"no 64-bit sizes":   {func(_, extra, _ []byte) { extra[6] = 2 }, "zip directory"},
		"short extra":       {func(_, extra, _ []byte) { extra[8] = 16 }, "zip directory"},
		"extra beyond":      {func(_, extra, _ []byte) { extra[2] = 200 }, "zip directory"},
		"huge directory":    {func(_, _, end []byte) { le.PutUint64(end[40:], 1<<63) }, "zip directory"},
		"far directory":     {func(_, _, end []byte) { le.PutUint64(end[48:], math.MaxUint64) }, "zip directory"},
		"too many entries":  {func(_, _, end []byte) { le.PutUint64(end[32:], 1<<62) }, "zip directory"},
		"no signature":      {func(_, _, end []byte) { end[3] = 0 }, "zip directory"},
		"encrypted":         {func(entry, _, _ []byte) { entry[8] = 1 }, "encrypted"},
		"method":            {func(entry, _, _ []byte) { entry[10] = 12 }, "compression method 12"},
		"stored and longer": {func(_, extra, _ []byte) { extra[10]++ }, "expected them to be equal"},
		"name too long":     {func(entry, _, _ []byte) { entry[29] = 1 }, "zip directory"},
		"local header":      {func(entry, extra, _ []byte) { extra[26] = 1; extra[10], extra[18] = 6, 6 }, "no local header"},
	} {
		data := archive64("content", tt.change)
		a, err := openArchive(data)
		var got []byte
		if err == nil {
			got, err = a["a"].bytes()
		}
		switch {
		case tt.want == "" && (err != nil || string(got) != "content"):
			t.Errorf("%s: %q, %v", name, got, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q in it", name, err, tt.want)
		}
	}
}

// TestArchiveDamaged cuts an archive everywhere and changes every byte: an error or the
// right content, for whatever is asked for.
func TestArchiveDamaged(t *testing.T) {
	records := map[string][]byte{"a": []byte("stored content"), "b": bytes.Repeat([]byte("deflated "), 20), "c": []byte("more")}
	data := zipped(t, "c", records, func(i int) uint16 { return uint16(i%2) * zip.Deflate })
	check := func(what string, data []byte) {
		a, err := openArchive(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s: %v", what, err)
			}
			return
		}
		for name, r := range a {
			got, err := r.bytes()
			if want, ok := records[name]; err == nil && ok && !bytes.Equal(got, want) {
				t.Errorf("%s: %s holds %q", what, name, got)
			}
		}
	}
	for i := range data {
		check(fmt.Sprintf("cut at %d", i), data[:i])
		for bit := range 8 {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d", bit, i), changed)
		}
	}
}

func TestArchiveNames(t *testing.T) {
	data := archive64("content", nil)
	data[localHeader] = 'b'
	if _, err := openArchive(data); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "found another name") {
		t.Errorf("another name in the local header: %v", err)
	}
}
