package reference

import "github.com/repvit-go/repvit/graph"

// globalAveragePool is the mean of every channel's pixels.
func (e *exec) globalAveragePool(_ graph.GlobalAveragePool, out array, in []array) {
	x := in[0]
	size := x.shape[2] * x.shape[3]
	e.parallel(len(out.v), func(i int) {
		sum := 0.0
		for _, v := range x.row(i, size) {
			sum += v
		}
		out.v[i] = sum / float64(size)
	})
}
