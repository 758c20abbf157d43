package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// elu is x, and Alpha·(eˣ − 1) where x is negative.
func (e *exec) elu(op graph.Elu, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 {
		if x < 0 {
			return op.Alpha * math.Expm1(x)
		}
		return x
	})
}
