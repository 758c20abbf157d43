package reference

import "github.com/repvit-go/repvit/graph"

// transpose makes axis i of out axis Perm[i] of x.
func (e *exec) transpose(op graph.Transpose, out array, in []array) {
	x := in[0]
	strides := make([]int, len(op.Perm))
	for i, s := 0, x.strides(); i < len(strides); i++ {
		strides[i] = s[op.Perm[i]]
	}
	rows, length := out.rows()
	last := lastStride(strides)
	e.parallel(rows, func(r int) {
		from := at(r, out.shape, strides)
		for i := range out.row(r, length) {
			out.v[r*length+i] = x.v[from+i*last]
		}
	})
}
