package reference

import "github.com/repvit-go/repvit/graph"

// leakyRelu is x, and Alpha·x where x is negative.
func (e *exec) leakyRelu(op graph.LeakyRelu, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 {
		if x < 0 {
			return op.Alpha * x
		}
		return x
	})
}
