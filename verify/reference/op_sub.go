package reference

import "github.com/repvit-go/repvit/graph"

// sub is a - b.
func (e *exec) sub(_ graph.Sub, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return a - b })
}
