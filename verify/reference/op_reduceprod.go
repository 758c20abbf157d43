package reference

import "github.com/repvit-go/repvit/graph"

// reduceProd is Πx over axes.
func (e *exec) reduceProd(op graph.ReduceProd, out array, in []array) {
	e.reduce(graph.Reduction(op), out, in[0], 1, func(a, b float64) float64 { return a * b })
}
