package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// cast is the conversion to a type.
func (e *exec) cast(op graph.Cast, out array, in []array) { e.each(out, in[0], castTo(op.To)) }

// castTo returns the conversion to a type.
func castTo(t graph.DType) func(float64) float64 {
	switch t {
	case graph.Float16:
		return toFloat16
	case graph.Float32:
		return func(x float64) float64 { return float64(float32(x)) }
	case graph.Float64:
		return func(x float64) float64 { return x }
	case graph.Bool:
		return func(x float64) float64 { return truth(x != 0) }
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
