package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// quantize is saturate(round(x/scale) + zero), ties to even.
func (e *exec) quantize(op graph.QuantizeLinear, out array, in []array) {
	low, high := limits(e.result)
	e.scaled(op.Axis, out, in, func(x, scale, zero float64) float64 {
		return min(max(math.RoundToEven(x/scale)+zero, low), high)
	})
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
