// Package safetensors reads and writes the container of that name
// (https://huggingface.co/docs/safetensors): named tensors whose elements lie in the file as
// they lie in memory. What the tensors mean is for other packages to say.
//
// A file is the header's length as 8 bytes, little endian; the header, a JSON object; and the
// elements of all tensors, little endian, row-major. The header maps each tensor's name to
//
//	{"dtype": "F32", "shape": [96, 48, 1, 1], "data_offsets": [0, 18432]}
//
// with offsets from the header's end, and "__metadata__" to texts by name. Tensors follow each
// other without holes.
//
// # Stability
//
// Within a major version, programs that use this package go on to compile and mean the same.
package safetensors

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
)

// ErrFormat is what errors of [Decode] wrap: the file is not what it should be, or damaged.
var ErrFormat = errors.New("malformed safetensors file")

// Error says where in a file something else was found than expected. It wraps [ErrFormat].
type Error struct {
	Place string // "header", `tensor "a.weight"`
	Text  string // "found …, expected …"
}

// Error is one line.
func (e *Error) Error() string { return e.Place + ": " + e.Text }

// Unwrap returns ErrFormat.
func (e *Error) Unwrap() error { return ErrFormat }

func malformed(place, format string, args ...any) error {
	return &Error{place, fmt.Sprintf(format, args...)}
}

// DType is an element type by the format's name: "F32".
type DType string

var dtypes = map[DType]struct {
	name string
	size int
}{
	"F64": {"float64", 8}, "F32": {"float32", 4}, "F16": {"float16", 2}, "BF16": {"bfloat16", 2},
	"I64": {"int64", 8}, "I32": {"int32", 4}, "I16": {"int16", 2}, "I8": {"int8", 1},
	"U64": {"uint64", 8}, "U32": {"uint32", 4}, "U16": {"uint16", 2}, "U8": {"uint8", 1}, "BOOL": {"bool", 1},
	"F8_E4M3": {"float8_e4m3fn", 1}, "F8_E5M2": {"float8_e5m2", 1}, "C64": {"complex64", 8},
}

// Name returns the type's name in NumPy and PyTorch, "float32", empty for a type that this
// package does not know.
func (d DType) Name() string { return dtypes[d].name }

// Size returns the bytes of one element, zero for a type that this package does not know.
func (d DType) Size() int { return dtypes[d].size }

// Tensor is a tensor of a file.
type Tensor struct {
	Name  string
	DType DType
	Shape []int // without negative numbers
	// Data are the elements, a view of the file: as many bytes as DType and Shape need, any
	// number where DType.Size is zero. Younger versions of the format have types of less than
	// a byte. The view may begin at any byte.
	Data []byte
}

// place names a tensor in errors.
func (t *Tensor) place() string { return fmt.Sprintf("tensor %q", clip(t.Name, 200)) }

// size returns the bytes that DType and Shape need; false where they are too many to count.
func (t *Tensor) size() (int, bool) {
	if slices.Contains(t.Shape, 0) {
		return 0, true // whatever its other axes
	}
	n, ok := uint64(t.DType.Size()), true
	for _, d := range t.Shape {
		var over uint64
		over, n = bits.Mul64(n, uint64(d))
		ok = ok && over == 0
	}
	return int(n), ok && n <= math.MaxInt
}

// clip shortens text that errors quote.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
