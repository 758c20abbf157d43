package graph

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Tensor is a dense array: row-major little-endian elements, as ONNX's raw_data,
// NumPy's files and safetensors hold them. The elements may be a view of a memory-mapped
// file.
type Tensor struct {
	DType DType
	Shape []int // sizes of the axes, outermost first; empty for a scalar

	data []byte
}

// Numel returns the number of elements that a shape holds, or an error where an
// axis is negative or the product overflows an int.
func Numel(shape []int) (int, error) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("%w: axis of size %d in %v", ErrShape, d, shape)
		}
		if d != 0 && n > math.MaxInt/d {
			return 0, fmt.Errorf("%w: %v has more elements than can be counted", ErrShape, shape)
		}
		n *= d
	}
	return n, nil
}

// NewTensor returns a tensor over data, which must not be written to afterwards, after
// checking that its length is what dtype and shape need.
func NewTensor(dtype DType, shape []int, data []byte) (*Tensor, error) {
	t := &Tensor{DType: dtype, Shape: shape, data: data}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return t, nil
}

// Validate checks that the elements are as many as type and shape need, and that those of a
// Bool are 0 or 1. The error wraps [ErrShape].
func (t *Tensor) Validate() error {
	n, err := Numel(t.Shape)
	if err != nil {
		return err
	}
	if !t.DType.Valid() || n > math.MaxInt/t.DType.Size() || n*t.DType.Size() != t.Size() {
		return fmt.Errorf("%w: %v of %v in %d bytes", ErrShape, t.Shape, t.DType, t.Size())
	}
	if t.DType == Bool {
		for i, v := range t.data {
			if v > 1 {
				return fmt.Errorf("%w: element %d of a bool tensor is %d, expected 0 or 1", ErrShape, i, v)
			}
		}
	}
	return nil
}

// RawTensor is [NewTensor] for lengths that come from code, not from files. It panics
// where they don't fit.
func RawTensor(dtype DType, shape []int, data []byte) *Tensor {
	t, err := NewTensor(dtype, shape, data)
	if err != nil {
		panic(fmt.Sprintf("graph: %v", err))
	}
	return t
}

// Slice returns the part from index from up to but not including to of the first axis.
func (t *Tensor) Slice(from, to int) *Tensor {
	shape := append([]int{to - from}, t.Shape[1:]...)
	row := 0
	if t.Shape[0] > 0 {
		row = t.Size() / t.Shape[0]
	}
	return RawTensor(t.DType, shape, t.Bytes()[from*row:to*row])
}

// Reshape returns the same elements with another shape, which must hold as many.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	if n, err := Numel(shape); err != nil || n != t.Len() {
		panic(fmt.Sprintf("graph: %d elements for shape %v", t.Len(), shape))
	}
	return &Tensor{DType: t.DType, Shape: shape, data: t.data}
}

// Size returns the bytes of all elements.
func (t *Tensor) Size() int {
	return len(t.data)
}

// Bytes returns the elements as they lie in a file. They must not be written to.
func (t *Tensor) Bytes() []byte {
	return t.data
}

// Float32Tensor returns a tensor that holds values, which it keeps. It panics where
// the shape does not fit: shapes come from code, not from files.
func Float32Tensor(shape []int, values []float32) *Tensor { return numeric(Float32, shape, values) }

// Float64Tensor is [Float32Tensor] for float64 values.
func Float64Tensor(shape []int, values []float64) *Tensor { return numeric(Float64, shape, values) }

// Int8Tensor is [Float32Tensor] for int8 values.
func Int8Tensor(shape []int, values []int8) *Tensor { return numeric(Int8, shape, values) }

// Uint8Tensor is [Float32Tensor] for uint8 values.
func Uint8Tensor(shape []int, values []uint8) *Tensor { return numeric(Uint8, shape, values) }

// Int32Tensor is [Float32Tensor] for int32 values.
func Int32Tensor(shape []int, values []int32) *Tensor { return numeric(Int32, shape, values) }

// Int64Tensor is [Float32Tensor] for int64 values.
func Int64Tensor(shape []int, values []int64) *Tensor { return numeric(Int64, shape, values) }

// BoolTensor is [Float32Tensor] for truth values.
func BoolTensor(shape []int, values []bool) *Tensor {
	b := make([]uint8, len(values))
	for i, v := range values {
		if v {
			b[i] = 1
		}
	}
	return numeric(Bool, shape, b)
}

type number interface {
	~float32 | ~float64 | ~int8 | ~uint8 | ~int32 | ~int64
}

func numeric[T number](dtype DType, shape []int, values []T) *Tensor {
	if n, err := Numel(shape); err != nil || n != len(values) {
		panic(fmt.Sprintf("graph: %d values for shape %v", len(values), shape))
	}
	return &Tensor{DType: dtype, Shape: shape, data: bytesOf(values)}
}

// littleEndian is true where memory order is file order and views need no copy.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func bytesOf[T number](v []T) []byte {
	if len(v) == 0 {
		return nil
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(v[0])))
	}
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		panic(err) // fixed-size elements always encode
	}
	return b
}

// view returns b as elements of type T, without a copy where the machine's byte order
// and the alignment of b allow it.
func view[T number](b []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if len(b) == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if littleEndian && uintptr(p)%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(p), len(b)/size)
	}
	v := make([]T, len(b)/size)
	if _, err := binary.Decode(b, binary.LittleEndian, v); err != nil {
		panic(err) // the lengths match by construction
	}
	return v
}

// Len returns the number of elements.
func (t *Tensor) Len() int {
	if s := t.DType.Size(); s != 0 {
		return t.Size() / s
	}
	return 0
}

// Float32s returns the elements as float32. For a Float32 tensor it is a read-only view
// wherever the data is aligned; other types are converted, Float64 with rounding to
// nearest even, Float16 exactly.
func (t *Tensor) Float32s() []float32 {
	switch t.DType {
	case Float32:
		return view[float32](t.Bytes())
	case Float64:
		return convert[float32](view[float64](t.Bytes()))
	case Float16:
		h := halves(t.Bytes())
		v := make([]float32, len(h))
		for i, x := range h {
			v[i] = Float16To32(x)
		}
		return v
	case Int8:
		return convert[float32](view[int8](t.Bytes()))
	case Uint8, Bool:
		return convert[float32](t.Bytes())
	case Int32:
		return convert[float32](view[int32](t.Bytes()))
	case Int64:
		return convert[float32](view[int64](t.Bytes()))
	}
	return nil
}

// Float64s returns the elements as float64: a view for Float64 tensors, else converted.
func (t *Tensor) Float64s() []float64 {
	switch t.DType {
	case Float64:
		return view[float64](t.Bytes())
	case Int32:
		return convert[float64](view[int32](t.Bytes()))
	case Int64:
		return convert[float64](view[int64](t.Bytes()))
	}
	return convert[float64](t.Float32s())
}

// Int8s returns the elements of an Int8 tensor as a read-only view, nil for other types.
func (t *Tensor) Int8s() []int8 { return only[int8](t, Int8) }

// Uint8s returns the elements of a Uint8 tensor as a read-only view, nil for other types.
func (t *Tensor) Uint8s() []uint8 { return only[uint8](t, Uint8) }

// Int32s returns the elements of an Int32 tensor as a read-only view, nil for other types.
func (t *Tensor) Int32s() []int32 { return only[int32](t, Int32) }

// Int64s returns the elements of an Int64 tensor as a read-only view, nil for other types.
func (t *Tensor) Int64s() []int64 { return only[int64](t, Int64) }

func only[T number](t *Tensor, d DType) []T {
	if t.DType != d {
		return nil
	}
	return view[T](t.Bytes())
}

func convert[T, F number](v []F) []T {
	r := make([]T, len(v))
	for i, x := range v {
		r[i] = T(x)
	}
	return r
}

func halves(b []byte) []uint16 {
	v := make([]uint16, len(b)/2)
	for i := range v {
		v[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return v
}

// Half returns t rounded to Float16, to nearest even; values beyond ±65504 saturate to
// it, because an infinite weight would poison everything behind it.
func (t *Tensor) Half() *Tensor {
	v := t.Float32s()
	b := make([]byte, 2*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint16(b[2*i:], Float16From32(min(max(x, -65504), 65504)))
	}
	return &Tensor{DType: Float16, Shape: t.Shape, data: b}
}

// Float16To32 widens an IEEE 754 binary16 number, exactly.
func Float16To32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch {
	case exp == 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
	// Subnormal: frac · 2⁻²⁴, which float32 holds as a normal number.
	f := float32(frac) * (1.0 / (1 << 24))
	return math.Float32frombits(math.Float32bits(f) | sign)
}

// Float16From32 rounds to the nearest IEEE 754 binary16 number, ties to even;
// magnitudes from 65520 up become infinite.
func Float16From32(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN stays NaN, with its top payload bits
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x477ff000:
		return sign | 0x7c00
	case b < 0x38800000: // below 2⁻¹⁴: subnormal or zero
		// Adding ½ lines the fraction's unit up with 2⁻²⁴, so the hardware rounds.
		f := math.Float32frombits(b) + 0.5
		return sign | uint16(math.Float32bits(f)-math.Float32bits(0.5))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-(112<<23))>>13)
}
