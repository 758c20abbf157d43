package reference

import "github.com/repvit-go/repvit/graph"

// minimum is min(a, b).
func (e *exec) minimum(_ graph.Min, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return min(a, b) })
}
