package reference

import "github.com/repvit-go/repvit/graph"

// hardSigmoid is min(max(α·x + β, 0), 1).
func (e *exec) hardSigmoid(op graph.HardSigmoid, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return min(max(op.Alpha*x+op.Beta, 0), 1) })
}
