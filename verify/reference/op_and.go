package reference

import "github.com/repvit-go/repvit/graph"

// and is whether a and b are true.
func (e *exec) and(_ graph.And, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return truth(a == 1 && b == 1) })
}
