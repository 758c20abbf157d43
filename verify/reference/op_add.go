package reference

import "github.com/repvit-go/repvit/graph"

// add is a + b.
func (e *exec) add(_ graph.Add, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return a + b })
}
