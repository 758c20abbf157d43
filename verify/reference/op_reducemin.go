package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// reduceMin is the smallest x over axes.
func (e *exec) reduceMin(op graph.ReduceMin, out array, in []array) {
	e.reduce(graph.Reduction(op), out, in[0], math.Inf(1), func(a, b float64) float64 { return min(a, b) })
}
