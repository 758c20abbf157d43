package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// small is a state dict of one tensor, [2 3] float32 in storage "0".
func small() (any, tt.Record) {
	dict := tt.Ordered{"a.weight", tt.Tensor(tt.Storage("FloatStorage", "0", 6), 0, []int{2, 3}, []int{3, 1})}
	return dict, tt.Record{Name: "0", Data: tt.Float32s(1, 2, 3, 4, 5, 6)}
}

// archive is small as the records of a zip file.
func archive(more ...tt.Record) []byte {
	root, storage := small()
	return tt.Zip(append([]tt.Record{{Name: "archive/data.pkl", Data: tt.Pickle(root)}, {Name: "archive/data/0", Data: storage.Data}}, more...)...)
}

// central returns where the directory's entry for a record begins.
func central(b []byte, name string) int {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("PK\x01\x02"))
		if i < 0 {
			panic("no record " + name)
		}
		at += i
		if n := int(binary.LittleEndian.Uint16(b[at+28:])); string(b[at+46:at+46+n]) == name {
			return at
		}
		at += 4
	}
}

// patch changes little-endian bytes of the directory's entry for a record.
func patch(b []byte, name string, offset int, value uint64, size int) []byte {
	at := central(b, name) + offset
	for i := range size {
		b[at+i] = byte(value >> (8 * i))
	}
	return b
}

// deflated returns an archive with one compressed record of zeros beside small.
func deflated(size int) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	root, _ := small()
	for _, r := range []tt.Record{{Name: "archive/data.pkl", Data: tt.Pickle(root)}, {Name: "archive/data/0", Data: make([]byte, size)}} {
		f, err := w.CreateHeader(&zip.FileHeader{Name: r.Name, Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(r.Data)
		}
		if err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// lying returns an archive whose compressed record unpacks to less than the directory says.
func lying() []byte {
	b := deflated(4096)
	return patch(patch(b, "archive/data/0", 24, 8192, 4), "archive/data/0", 16, uint64(crc32.ChecksumIEEE(make([]byte, 8192))), 4)
}

func flip(b []byte, at int) []byte {
	b[at] ^= 1
	return b
}

func end(b []byte) int { return bytes.LastIndex(b, []byte("PK\x05\x06")) }

// zip64 returns an archive whose 64-bit end record claims the number of records and the
// place of the directory given.
func zip64(records, offset uint64) []byte {
	b := archive()
	e := end(b)
	size := uint64(binary.LittleEndian.Uint32(b[e+12:]))
	var r []byte
	le := binary.LittleEndian
	r = append(r, "PK\x06\x06"...)
	r = le.AppendUint64(r, 44)
	r = le.AppendUint16(r, 45)
	r = le.AppendUint16(r, 45)
	r = le.AppendUint32(r, 0)
	r = le.AppendUint32(r, 0)
	for _, n := range []uint64{records, records, size, offset} {
		r = le.AppendUint64(r, n)
	}
	r = append(r, "PK\x06\x07"...)
	r = le.AppendUint32(r, 0)
	r = le.AppendUint64(r, uint64(e))
	r = le.AppendUint32(r, 1)
	tail := append([]byte(nil), b[e:]...)
	for i := 8; i < 20; i++ {
		tail[i] = 0xff
	}
	return append(append(b[:e:e], r...), tail...)
}

func containers() []attack {
	const storage = "archive/data/0"
	whole := archive()
	root, record := small()
	overlap := archive(tt.Record{Name: "archive/data/1", Data: tt.Float32s(1, 2)})
	first := central(overlap, storage)
	at := binary.LittleEndian.Uint32(overlap[first+42:])
	count := archive()
	binary.LittleEndian.PutUint16(count[end(count)+8:], 0xfff0)
	binary.LittleEndian.PutUint16(count[end(count)+10:], 0xfff0)
	return []attack{
		{"empty.pth", nil, "byte 0: the file is empty"},
		{"text.pth", []byte("this is no checkpoint\n"), `byte 0: found text that begins with "this is no checkpoint"`},
		{"html.pth", []byte("<!DOCTYPE html><title>404</title>"), "a web page (HTML) in place of the checkpoint"},
		{"tar.pth", append(append(make([]byte, 257), "ustar"...), make([]byte, 250)...), "a tar archive: either it holds the checkpoint"},
		{"zip_truncated.pth", whole[:len(whole)-40], "zip directory: "},
		{"zip_start_only.pth", []byte("PK\x03\x04"), "zip directory: "},
		{"zip_record_count.pth", count, "zip directory: "},
		{"zip_64_records.pth", zip64(1<<62, uint64(central(whole, "archive/data.pkl"))), "zip directory: "},
		{"zip_64_offset.pth", zip64(2, 1<<63-1), "record archive/data.pkl: found no local header"},
		{"zip_no_pickle.pth", tt.Zip(tt.Record{Name: "archive/data/0", Data: record.Data}), "found 0 records NAME/data.pkl among 1, expected one"},
		{"zip_two_pickles.pth", archive(tt.Record{Name: "other/data.pkl", Data: tt.Pickle(root)}), "found 2 records NAME/data.pkl among 3, expected one"},
		{"zip_duplicate.pth", archive(record, record), `record 0: it stands twice in the archive`},
		{"zip_overlap.pth", patch(overlap, "archive/data/1", 42, uint64(at), 4), "overlaps record archive/data/"},
		{"zip_record_outside.pth", patch(patch(archive(), storage, 20, 1<<31, 4), storage, 24, 1<<31, 4), "record archive/data/0: found 2147483648 bytes from byte "},
		{"zip_header_outside.pth", patch(archive(), storage, 42, 1<<31, 4), "record archive/data/0: "},
		{"zip_sizes_differ.pth", patch(archive(), storage, 24, 48, 4), "record archive/data/0: found sizes 24 and 48"},
		{"zip_encrypted.pth", patch(archive(), storage, 8, 1, 1), "record archive/data/0 is encrypted"},
		{"zip_method.pth", patch(archive(), storage, 10, 12, 2), "record archive/data/0 has compression method 12"},
		{"zip_bomb.pth", deflated(9 << 20), "record archive/data/0: found 9437184 bytes compressed to "},
		{"zip_deflate_lies.pth", lying(), "record archive/data/0: found fewer than the 8192 bytes that the archive lists"},
		{"zip_storage_rotten.pth", flip(archive(), bytes.Index(whole, record.Data)+5), "record archive/data/0: found CRC-32 "},
		{"zip_pickle_rotten.pth", flip(archive(), bytes.Index(whole, []byte("a.weight"))), "record archive/data.pkl: found CRC-32 "},
		{"zip_big_endian.pth", archive(tt.Record{Name: "archive/byteorder", Data: []byte("big")}), `record archive/byteorder says "big", expected "little"`},
		{"zip_torchscript.pt", archive(tt.Record{Name: "archive/constants.pkl", Data: tt.Pickle(tt.Tuple{})}), "a TorchScript archive"},
		{"zip_storage_missing.pth", tt.Checkpoint(root), "record archive/data/0: missing, expected a storage of 6 elements"},
		{"zip_storage_short.pth", tt.Checkpoint(root, tt.Record{Name: "0", Data: record.Data[:20]}), "record archive/data/0: found 20 bytes, expected 6 elements of float32"},
	}
}
