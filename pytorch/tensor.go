package pytorch

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"unsafe"
)

// DType is the type of a tensor's elements, by torch's name.
type DType string

// The element types.
const (
	Float32    DType = "float32"
	Float64    DType = "float64"
	Float16    DType = "float16"
	BFloat16   DType = "bfloat16"
	Int64      DType = "int64"
	Int32      DType = "int32"
	Int16      DType = "int16"
	Int8       DType = "int8"
	Uint64     DType = "uint64"
	Uint32     DType = "uint32"
	Uint16     DType = "uint16"
	Uint8      DType = "uint8"
	Bool       DType = "bool"
	Float8E4M3 DType = "float8_e4m3fn"
	Float8E5M2 DType = "float8_e5m2"
	Complex64  DType = "complex64"
	Complex128 DType = "complex128"
)

// Size returns the bytes of one element, zero for a type that is not known.
func (d DType) Size() int {
	switch d {
	case Complex128:
		return 16
	case Float64, Int64, Uint64, Complex64:
		return 8
	case Float32, Int32, Uint32, "qint32":
		return 4
	case Float16, BFloat16, Int16, Uint16:
		return 2
	case Int8, Uint8, Bool, Float8E4M3, Float8E5M2, "qint8", "quint8", "quint4x2", "quint2x4":
		return 1
	}
	return 0
}

// Float reports whether the elements are the numbers of a network: floating point, at least
// as wide as the narrowest type that needs no scale.
func (d DType) Float() bool {
	return d == Float32 || d == Float64 || d == Float16 || d == BFloat16
}

// Tensor is a strided view of a storage in a file. It is valid until the file is closed. Of
// tensors whose elements this package does not read (sparse ones, quantized ones, NumPy
// arrays) it is what is known of their shape; reading them is an error that says why.
type Tensor struct {
	Shape []int
	DType DType // empty where it is not known

	reason string // why the elements can't be read; empty where they can

	data    source
	offset  int   // of the first element in the storage, in elements
	strides []int // in elements
}

// source is the raw bytes of a storage, which may have to be checked or decompressed
// before they are seen.
type source interface {
	place() string
	size() int // bytes, before they are seen
	bytes() ([]byte, error)
}

const (
	// maxAxes is also PyTorch's.
	maxAxes = 64
	// maxExpanded is how many elements a tensor may have beyond those of its storage:
	// Tensor.expand repeats elements by strides of zero.
	maxExpanded = 1 << 20
)

// newTensor checks a view's geometry against a storage of numel elements.
func newTensor(d DType, src source, numel, offset int, shape, strides []int) (*Tensor, error) {
	bad := func(format string, args ...any) error {
		return malformed(src.place(), "found a tensor with shape %v, strides %v and offset %d, expected "+format, append([]any{shape, strides, offset}, args...)...)
	}
	if len(shape) > maxAxes {
		return nil, malformed(src.place(), "found a tensor with %d axes, expected %d at most", len(shape), maxAxes)
	}
	if len(shape) != len(strides) {
		return nil, bad("as many strides as axes")
	}
	count, last, ok := 1, offset, offset >= 0
	for i, n := range shape {
		if n < 0 || strides[i] < 0 {
			return nil, bad("no negative numbers")
		}
		if count, ok = times(count, n, ok); n == 0 {
			continue
		}
		var span int
		if span, ok = times(n-1, strides[i], ok); ok {
			last += span
			ok = last >= 0
		}
	}
	empty := false
	for _, n := range shape {
		empty = empty || n == 0
	}
	if empty {
		return &Tensor{Shape: shape, DType: d, data: src, strides: strides}, nil
	}
	if !ok || last >= numel || count > max(numel, maxExpanded) {
		return nil, bad("one inside its storage of %d elements", numel)
	}
	return &Tensor{Shape: shape, DType: d, data: src, offset: offset, strides: strides}, nil
}

// times multiplies two numbers that are not negative; ok turns false on overflow.
func times(a, b int, ok bool) (int, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return int(lo), ok && hi == 0 && lo <= math.MaxInt
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// contiguous reports whether the elements lie in row-major order without holes.
func (t *Tensor) contiguous() bool {
	want := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] == 1 {
			continue
		}
		if t.strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return true
}

// littleEndian reports whether numbers in memory have the byte order of files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Float32s returns the elements in row-major order, rounded to float32 where they are
// wider. Contiguous float32 elements are a view of the file, which must not be written to.
// The error wraps [ErrFormat] where the file's bytes are damaged.
func (t *Tensor) Float32s() ([]float32, error) {
	if err := t.Usable(); err != nil || t.Len() == 0 {
		return nil, err
	}
	data, err := t.data.bytes()
	if err != nil {
		return nil, err
	}
	if v := t.view(data); v != nil {
		return v, nil
	}
	out := make([]float32, t.Len())
	if t.contiguous() && narrow(out, t.DType, data[t.offset*t.DType.Size():]) {
		return out, nil
	}
	return out, gather(t, data, func(i int, v float64) { out[i] = float32(v) })
}

// view returns contiguous float32 elements without a copy, or nil.
func (t *Tensor) view(data []byte) []float32 {
	if t.DType != Float32 || !littleEndian || !t.contiguous() {
		return nil
	}
	b := data[t.offset*4:][:t.Len()*4]
	if uintptr(unsafe.Pointer(&b[0]))%4 != 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), t.Len())
}

// Usable returns nil where the elements can be read as numbers, else an error that wraps
// [ErrUnsupported] and says why not.
func (t *Tensor) Usable() error {
	switch {
	case t.reason != "":
		return fmt.Errorf("%w: it is %s", ErrUnsupported, t.reason)
	case loaders[t.DType] == nil:
		return fmt.Errorf("%w: it is of type %s; convert it to float32 and save again", ErrUnsupported, oneLine(string(t.DType)))
	}
	return nil
}

// narrow converts contiguous elements of the types that whole networks are stored in, and
// reports whether d is one of them.
func narrow(out []float32, d DType, data []byte) bool {
	le := binary.LittleEndian
	switch d {
	case Float16:
		for i := range out {
			out[i] = float16(le.Uint16(data[2*i:]))
		}
	case BFloat16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(le.Uint16(data[2*i:])) << 16)
		}
	case Float64:
		for i := range out {
			out[i] = float32(math.Float64frombits(le.Uint64(data[8*i:])))
		}
	default:
		return false
	}
	return true
}

// Float64s returns the elements in row-major order. Integers beyond 2⁵³ are rounded. The
// error wraps [ErrFormat] where the file's bytes are damaged.
func (t *Tensor) Float64s() ([]float64, error) {
	if err := t.Usable(); err != nil || t.Len() == 0 {
		return nil, err
	}
	data, err := t.data.bytes()
	if err != nil {
		return nil, err
	}
	out := make([]float64, t.Len())
	return out, gather(t, data, func(i int, v float64) { out[i] = v })
}

// gather calls set with every element in row-major order.
func gather(t *Tensor, data []byte, set func(i int, v float64)) error {
	load := loaders[t.DType]
	size := t.DType.Size()
	rank := len(t.Shape)
	if rank == 0 {
		set(0, load(data[t.offset*size:]))
		return nil
	}
	index := make([]int, rank)
	n, step := t.Shape[rank-1], t.strides[rank-1]
	for i, at := 0, t.offset; ; {
		for j := range n {
			set(i+j, load(data[(at+j*step)*size:]))
		}
		i += n
		axis := rank - 2
		for ; axis >= 0; axis-- {
			index[axis]++
			at += t.strides[axis]
			if index[axis] < t.Shape[axis] {
				break
			}
			at -= index[axis] * t.strides[axis]
			index[axis] = 0
		}
		if axis < 0 {
			return nil
		}
	}
}

var loaders = map[DType]func([]byte) float64{
	Float64: func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) },
	Float32: func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) },
	Float16: func(b []byte) float64 { return float64(float16(binary.LittleEndian.Uint16(b))) },
	BFloat16: func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	},
	Int64:  func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) },
	Int32:  func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) },
	Int16:  func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) },
	Uint64: func(b []byte) float64 { return float64(binary.LittleEndian.Uint64(b)) },
	Uint32: func(b []byte) float64 { return float64(binary.LittleEndian.Uint32(b)) },
	Uint16: func(b []byte) float64 { return float64(binary.LittleEndian.Uint16(b)) },
	Int8:   func(b []byte) float64 { return float64(int8(b[0])) },
	Uint8:  func(b []byte) float64 { return float64(b[0]) },
	Bool:   func(b []byte) float64 { return float64(min(b[0], 1)) },
}

// float16 decodes IEEE 754 binary16.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h)>>15<<31, uint32(h)>>10&31, uint32(h)&1023
	switch exp {
	case 0: // frac·2⁻²⁴
		return math.Float32frombits(math.Float32bits(float32(frac)*(1.0/(1<<24))) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}
