package reference

import "github.com/repvit-go/repvit/graph"

// matMul is out[…,m,n] = Σₖ x[…,m,k]·w[…,k,n]; the axes before are broadcast.
func (e *exec) matMul(_ graph.MatMul, out array, in []array) {
	x, w := in[0], in[1]
	rank := len(out.shape)
	rows, columns, features := out.shape[rank-2], out.shape[rank-1], x.shape[len(x.shape)-1]
	sx, sw := x.along(out.shape), w.along(out.shape)
	for _, s := range [][]int{sx, sw} { // the index of a matrix
		s[rank-2], s[rank-1] = 0, 0
	}
	e.parallel(elements(out.shape[:rank-1]), func(r int) {
		from, m := at(r, out.shape, sx)+r%rows*features, at(r, out.shape, sw)
		for k, v := range x.v[from:][:features] {
			axpy(out.row(r, columns), w.v[m+k*columns:][:columns], v)
		}
	})
}
