package reference

import "github.com/repvit-go/repvit/graph"

// reduceMean is Σx/n over axes.
func (e *exec) reduceMean(op graph.ReduceMean, out array, in []array) {
	e.reduce(graph.Reduction(op), out, in[0], 0, func(a, b float64) float64 { return a + b })
	n := float64(len(in[0].v)) / float64(len(out.v))
	for i := range out.v {
		out.v[i] /= n
	}
}
