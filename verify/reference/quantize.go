package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// castTo returns the conversion to a type.
func castTo(t graph.DType) func(float64) float64 {
	switch t {
	case graph.Float16:
		return toFloat16
	case graph.Float32:
		return func(x float64) float64 { return float64(float32(x)) }
	case graph.Float64:
		return func(x float64) float64 { return x }
	}
	low, high := limits(t)
	return func(x float64) float64 { return min(max(math.Trunc(x), low), high) }
}

// toFloat16 rounds to the nearest IEEE 754 binary16 number, ties to even: 10 bits after
// the leading one, or multiples of 2⁻²⁴ below 2⁻¹⁴.
func toFloat16(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	unit := math.Ldexp(1, max(math.Ilogb(x), -14)-10)
	r := math.RoundToEven(x/unit) * unit
	if math.Abs(r) > 65504 {
		return math.Copysign(math.Inf(1), x)
	}
	return r
}

// limits returns the smallest and largest number of an integer type. Those of int64 are
// the nearest that float64 holds.
func limits(t graph.DType) (low, high float64) {
	switch t {
	case graph.Int8:
		return math.MinInt8, math.MaxInt8
	case graph.Uint8:
		return 0, math.MaxUint8
	case graph.Int32:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// quantize is saturate(round(x/scale) + zero), ties to even.
func (e *exec) quantize(op graph.QuantizeLinear, to graph.DType, out array, in []array) {
	low, high := limits(to)
	e.scaled(op.Axis, out, in, func(x, scale, zero float64) float64 {
		return min(max(math.RoundToEven(x/scale)+zero, low), high)
	})
}

// dequantize is (x − zero)·scale.
func (e *exec) dequantize(op graph.DequantizeLinear, out array, in []array) {
	e.scaled(op.Axis, out, in, func(x, scale, zero float64) float64 { return (x - zero) * scale })
}

// scaled applies f to every element with the scale and zero point of its index on axis.
func (e *exec) scaled(axis int, out array, in []array, f func(x, scale, zero float64) float64) {
	x, scale, zero := in[0], in[1], in[2]
	channels, inner := 1, 1
	if len(scale.shape) != 0 {
		channels = x.shape[axis]
		for _, d := range x.shape[axis+1:] {
			inner *= d
		}
	}
	e.chunks(len(out.v), func(from, to int) {
		for i := from; i < to; i++ {
			c := i / inner % channels
			out.v[i] = f(x.v[i], scale.v[c], zero.v[c])
		}
	})
}
