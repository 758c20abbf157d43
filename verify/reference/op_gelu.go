package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// gelu is x·Φ(x), where Φ(x) = erfc(−x/√2)/2 is the standard normal distribution
// function. This form keeps its precision in the left tail, where 1+erf(x/√2) cancels.
func (e *exec) gelu(_ graph.Gelu, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 })
}
