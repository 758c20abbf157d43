package reference

import "github.com/repvit-go/repvit/graph"

// dequantize is (x − zero)·scale.
func (e *exec) dequantize(op graph.DequantizeLinear, out array, in []array) {
	e.scaled(op.Axis, out, in, func(x, scale, zero float64) float64 { return (x - zero) * scale })
}
