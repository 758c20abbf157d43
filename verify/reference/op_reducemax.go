package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// reduceMax is the largest x over axes.
func (e *exec) reduceMax(op graph.ReduceMax, out array, in []array) {
	e.reduce(graph.Reduction(op), out, in[0], math.Inf(-1), func(a, b float64) float64 { return max(a, b) })
}
