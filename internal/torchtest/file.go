package torchtest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
)

// Record is a file in a zip archive, or a storage.
type Record struct {
	Name string
	Data []byte
}

// Zip returns an archive of stored records, each beginning at a multiple of 64 bytes.
func Zip(records ...Record) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, r := range records {
		if err := w.Flush(); err != nil {
			panic(err)
		}
		h := &zip.FileHeader{Name: r.Name, CRC32: crc32.ChecksumIEEE(r.Data),
			CompressedSize64: uint64(len(r.Data)), UncompressedSize64: uint64(len(r.Data))}
		pad := -(b.Len() + 30 + len(r.Name) + 4) & 63
		h.Extra = append([]byte{'F', 'B', byte(pad), 0}, bytes.Repeat([]byte{'Z'}, pad)...)
		f, err := w.CreateRaw(h)
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

// Checkpoint returns a file in the format of PyTorch 1.6 and later. The storages are named
// by their keys.
func Checkpoint(root any, storages ...Record) []byte {
	records := []Record{{"archive/data.pkl", Pickle(root)}}
	for _, s := range storages {
		records = append(records, Record{"archive/data/" + s.Name, s.Data})
	}
	return Zip(append(records, Record{"archive/version", []byte("3\n")})...)
}

// Legacy returns a file in the stream format before PyTorch 1.6. The size of a storage's
// elements tells their number.
func Legacy(root any, size int, storages ...Record) []byte {
	keys := List{}
	for _, s := range storages {
		keys = append(keys, s.Name)
	}
	b := []byte{0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'}
	b = append(b, Pickle(1001)...)
	b = append(b, Pickle(Dict{"protocol_version", 1001, "little_endian", true, "type_sizes", Dict{"short", 2, "int", 4, "long", 4}})...)
	b = append(b, Pickle(root)...)
	b = append(b, Pickle(keys)...)
	for _, s := range storages {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s.Data)/size))
		b = append(b, s.Data...)
	}
	return b
}

// Float32s returns the little-endian bytes of numbers.
func Float32s(v ...float32) []byte {
	b := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return b
}

// Named is a float32 tensor for a safetensors file.
type Named struct {
	Name   string
	Shape  []int
	Values []float32
}

// Safetensors returns a safetensors file.
func Safetensors(tensors ...Named) []byte {
	var header strings.Builder
	size := 0
	for _, t := range tensors {
		size += 4 * len(t.Values)
	}
	body := make([]byte, 0, size)
	header.WriteByte('{')
	for i, t := range tensors {
		if i > 0 {
			header.WriteByte(',')
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			panic(err)
		}
		shape := strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ",")
		fmt.Fprintf(&header, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, name, shape, len(body), len(body)+4*len(t.Values))
		for _, x := range t.Values {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(x))
		}
	}
	header.WriteByte('}')
	return SafetensorsOf(header.String(), body)
}

// SafetensorsOf returns a safetensors file with the header and bytes given.
func SafetensorsOf(header string, body []byte) []byte {
	for len(header)%8 != 0 {
		header += " "
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(header)+len(body)), uint64(len(header)))
	return append(append(b, header...), body...)
}
