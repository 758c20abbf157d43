package reference

import "github.com/repvit-go/repvit/graph"

// not is 1 − x.
func (e *exec) not(_ graph.Not, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return 1 - x })
}
