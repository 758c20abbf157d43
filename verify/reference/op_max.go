package reference

import "github.com/repvit-go/repvit/graph"

// maximum is max(a, b).
func (e *exec) maximum(_ graph.Max, out array, in []array) {
	e.broadcast(out, in[0], in[1], func(a, b float64) float64 { return max(a, b) })
}
