package reference

import "github.com/repvit-go/repvit/graph"

// globalAveragePool is the mean of every channel's pixels.
func (e *exec) globalAveragePool(out, x array) {
	size := x.shape[2] * x.shape[3]
	e.parallel(len(out.v), func(i int) {
		sum := 0.0
		for _, v := range x.row(i, size) {
			sum += v
		}
		out.v[i] = sum / float64(size)
	})
}

// transpose makes axis i of out axis Perm[i] of x.
func (e *exec) transpose(op graph.Transpose, out, x array) {
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
