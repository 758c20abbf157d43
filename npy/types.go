package npy

import (
	"encoding/binary"
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// element is an array's type.
type element struct {
	kind      string // the type without its byte order, "f4"
	size      int    // bytes in the file
	bigEndian bool
	dtype     graph.DType // of the tensor
}

var kinds = map[string]element{
	"f2": {size: 2, dtype: graph.Float16},
	"f4": {size: 4, dtype: graph.Float32},
	"f8": {size: 8, dtype: graph.Float64},
	"i1": {size: 1, dtype: graph.Int8},
	"i2": {size: 2, dtype: graph.Int32},
	"i4": {size: 4, dtype: graph.Int32},
	"i8": {size: 8, dtype: graph.Int64},
	"b1": {size: 1, dtype: graph.Bool},
	"u1": {size: 1, dtype: graph.Uint8},
	"u2": {size: 2, dtype: graph.Int32},
	"u4": {size: 4, dtype: graph.Int64},
}

// descrs are the types that Write writes.
var descrs = map[graph.DType]string{
	graph.Float16: "<f2", graph.Float32: "<f4", graph.Float64: "<f8",
	graph.Int8: "|i1", graph.Uint8: "|u1", graph.Int32: "<i4", graph.Int64: "<i8", graph.Bool: "|b1",
}

// parseType reads a type such as "<f4": byte order, kind and size.
func parseType(descr string) (element, error) {
	if descr == "|O" || descr == "O" {
		return element{}, fmt.Errorf("%w: dtype %q is an array of pickled Python objects, expected numbers", ErrUnsupported, descr)
	}
	if len(descr) == 3 {
		e, ok := kinds[descr[1:]]
		order := descr[0]
		e.kind, e.bigEndian = descr[1:], order == '>'
		if ok && (order == '<' || order == '>' || order == '|' && e.size == 1) {
			return e, nil
		}
	}
	return element{}, fmt.Errorf("%w: dtype %q, expected float16, float32, float64, bool or integers of at most 64 bits", ErrUnsupported, clip(descr))
}

// widen converts little-endian elements to the tensor's type.
func (e element) widen(b []byte) ([]byte, error) {
	switch e.kind {
	case "b1":
		for i, v := range b {
			if v > 1 {
				return nil, fmt.Errorf("%w: element %d is %d, expected a bool", ErrFormat, i, v)
			}
		}
	case "i2", "u2":
		w := make([]byte, 0, 2*len(b))
		for ; len(b) != 0; b = b[2:] {
			v := uint32(binary.LittleEndian.Uint16(b))
			if e.kind == "i2" {
				v = uint32(int16(v))
			}
			w = binary.LittleEndian.AppendUint32(w, v)
		}
		return w, nil
	case "u4":
		w := make([]byte, 0, 2*len(b))
		for ; len(b) != 0; b = b[4:] {
			w = binary.LittleEndian.AppendUint64(w, uint64(binary.LittleEndian.Uint32(b)))
		}
		return w, nil
	}
	return b, nil
}

// clip shortens text that errors quote.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
