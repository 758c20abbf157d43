package reference

import "github.com/repvit-go/repvit/graph"

// equal is whether a = b.
func (e *exec) equal(_ graph.Equal, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return truth(a == b) })
}
