package reference

import "github.com/repvit-go/repvit/graph"

// reduceSum is Σx over axes.
func (e *exec) reduceSum(op graph.ReduceSum, out array, in []array) {
	e.reduce(graph.Reduction(op), out, in[0], 0, func(a, b float64) float64 { return a + b })
}
