package reference

import "github.com/repvit-go/repvit/graph"

// slice is out[…,i,…] = in[…,first + i·step,…].
func (e *exec) slice(op graph.Slice, out array, in []array) {
	x := in[0]
	strides, first := x.strides(), 0
	for k, axis := range op.Axes {
		from, _, step := op.Range(k, x.shape[axis])
		first += from * strides[axis]
		strides[axis] *= step
	}
	rows, length := out.rows()
	last := lastStride(strides)
	e.parallel(rows, func(r int) {
		from := first + at(r, out.shape, strides)
		for i := range length {
			out.v[r*length+i] = x.v[from+i*last]
		}
	})
}
