package graph

import "fmt"

// DType is the type of a tensor's elements.
type DType uint8

// The element types. Values start at one so that a forgotten DType is not mistaken
// for a valid one.
const (
	Float32 DType = iota + 1
	Float64
	Float16
	Int8
	Uint8
	Int32
	Int64
	Bool // a byte, 0 or 1
)

var dtypes = [...]struct {
	name string
	size int
}{
	Float32: {"float32", 4},
	Float64: {"float64", 8},
	Float16: {"float16", 2},
	Int8:    {"int8", 1},
	Uint8:   {"uint8", 1},
	Int32:   {"int32", 4},
	Int64:   {"int64", 8},
	Bool:    {"bool", 1},
}

// Valid reports whether d is one of the package's element types.
func (d DType) Valid() bool { return d >= Float32 && d <= Bool }

// Size returns the bytes of one element, zero for an invalid type.
func (d DType) Size() int {
	if !d.Valid() {
		return 0
	}
	return dtypes[d].size
}

// IsFloat reports whether d is a floating-point type.
func (d DType) IsFloat() bool { return d == Float32 || d == Float64 || d == Float16 }

// MarshalText returns the name.
func (d DType) MarshalText() ([]byte, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("%w: element type %v", ErrGraph, d)
	}
	return []byte(d.String()), nil
}

// UnmarshalText sets d to the type with a name.
func (d *DType) UnmarshalText(name []byte) error {
	for t := Float32; t.Valid(); t++ {
		if dtypes[t].name == string(name) {
			*d = t
			return nil
		}
	}
	return fmt.Errorf("%w: found element type %q", ErrGraph, name)
}

// String returns the name NumPy gives the type: "float32".
func (d DType) String() string {
	if !d.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}
