package reference

import "github.com/repvit-go/repvit/graph"

// relu is max(x, 0).
func (e *exec) relu(_ graph.Relu, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return max(x, 0) })
}
