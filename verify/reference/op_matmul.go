package reference

import "github.com/repvit-go/repvit/graph"

// matMul is out[…,m] = Σₖ x[…,k]·w[k,m].
func (e *exec) matMul(_ graph.MatMul, out array, in []array) {
	x, w := in[0], in[1]
	features, outputs := w.shape[0], w.shape[1]
	if outputs == 0 {
		return
	}
	e.parallel(len(out.v)/outputs, func(r int) {
		for k, v := range x.row(r, features) {
			axpy(out.row(r, outputs), w.row(k, outputs), v)
		}
	})
}
