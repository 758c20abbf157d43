package reference

import "github.com/repvit-go/repvit/graph"

// or is whether a or b is true.
func (e *exec) or(_ graph.Or, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return truth(a == 1 || b == 1) })
}
