package reference

import "github.com/repvit-go/repvit/graph"

// div is a / b.
func (e *exec) div(_ graph.Div, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return a / b })
}
