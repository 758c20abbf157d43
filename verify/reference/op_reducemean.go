package reference

import "github.com/repvit-go/repvit/graph"

// reduceMean is the mean of the elements that have the same index on the other axes.
func (e *exec) reduceMean(op graph.ReduceMean, out array, in []array) {
	x := in[0]
	reduced := op.Reduces(len(x.shape))
	// How far apart in out the elements lie along the axes of x.
	strides := make([]int, len(x.shape))
	step, count := 1, 1
	for k := len(x.shape) - 1; k >= 0; k-- {
		if reduced[k] {
			count *= x.shape[k]
			continue
		}
		strides[k] = step
		step *= x.shape[k]
	}
	for i, v := range x.v {
		to := 0
		for k, r := len(x.shape)-1, i; k >= 0; k-- {
			to += r % x.shape[k] * strides[k]
			r /= x.shape[k]
		}
		out.v[to] += v
		if i%chunk == 0 && e.stopped() {
			return
		}
	}
	for i := range out.v {
		out.v[i] /= float64(count)
	}
}
