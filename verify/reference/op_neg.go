package reference

import "github.com/repvit-go/repvit/graph"

// neg is −x.
func (e *exec) neg(_ graph.Neg, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return -x })
}
