package reference

import "github.com/repvit-go/repvit/graph"

// clip is min(max(x, low), high).
func (e *exec) clip(op graph.Clip, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return min(max(x, op.Min), op.Max) })
}
