package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// array is a value: row-major float64 elements.
type array struct {
	shape []int
	v     []float64
}

// newArray returns zeros for a shape whose sizes are all known.
func newArray(s graph.Shape) array {
	dims, _ := s.Ints()
	return array{dims, make([]float64, elements(dims))}
}

// elements is the product of axes, which [graph.Graph.Infer] bounds.
func elements(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// operand returns what v holds: a value computed before, or a weight.
func operand(values map[*graph.Value]array, v *graph.Value) array {
	if v.Const != nil {
		return array{v.Const.Shape, v.Const.Float64s()}
	}
	return values[v]
}

// typed is what a graph's output of a type is given as: floats as float64.
func (a array) typed(t graph.DType) *graph.Tensor {
	switch t {
	case graph.Int8:
		return graph.Int8Tensor(a.shape, integers[int8](a, math.MaxInt8))
	case graph.Uint8:
		return graph.Uint8Tensor(a.shape, integers[uint8](a, math.MaxUint8))
	case graph.Int32:
		return graph.Int32Tensor(a.shape, integers[int32](a, math.MaxInt32))
	case graph.Int64:
		return graph.Int64Tensor(a.shape, integers[int64](a, math.MaxInt64))
	case graph.Bool:
		v := make([]bool, len(a.v))
		for i, x := range a.v {
			v[i] = x != 0
		}
		return graph.BoolTensor(a.shape, v)
	}
	return a.tensor()
}

// integers are elements that are whole numbers; NaN is 0. The highest of an int64 is not one
// that float64 holds.
func integers[T int8 | uint8 | int32 | int64](a array, highest T) []T {
	v := make([]T, len(a.v))
	for i, x := range a.v {
		switch {
		case x >= float64(highest):
			v[i] = highest
		case x == x:
			v[i] = T(x)
		}
	}
	return v
}

func (a array) tensor() *graph.Tensor { return graph.Float64Tensor(a.shape, a.v) }

// rows returns how many runs of the last axis a holds, and their length.
func (a array) rows() (count, length int) {
	if len(a.shape) == 0 {
		return 1, 1
	}
	length = a.shape[len(a.shape)-1]
	if length == 0 {
		return 0, 0
	}
	return len(a.v) / length, length
}

// row returns the i-th run of the given length.
func (a array) row(i, length int) []float64 { return a.v[i*length:][:length] }

// strides returns how far apart neighbours on every axis lie; 0 on an axis of size 1, so
// that reading it at any index reads its one element.
func (a array) strides() []int {
	s := make([]int, len(a.shape))
	n := 1
	for i := len(s) - 1; i >= 0; i-- {
		if a.shape[i] != 1 {
			s[i] = n
		}
		n *= a.shape[i]
	}
	return s
}

// along returns the strides of a along the axes of a shape that it is broadcast to.
func (a array) along(shape []int) []int {
	return append(make([]int, len(shape)-len(a.shape)), a.strides()...)
}

// at returns the element's offset that a row's index has in an operand: row counts the
// runs of the last axis of shape, and strides are the operand's along shape's axes.
func at(row int, shape, strides []int) int {
	offset := 0
	for k := len(shape) - 2; k >= 0; k-- {
		offset += row % shape[k] * strides[k]
		row /= shape[k]
	}
	return offset
}

// lastStride is the operand's stride along the axis that a row runs along.
func lastStride(strides []int) int {
	if len(strides) == 0 {
		return 0
	}
	return strides[len(strides)-1]
}
