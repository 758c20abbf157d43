package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// batchNorm is (x−mean)/√(variance+ε)·scale + bias for every channel, axis 1.
func (e *exec) batchNorm(op graph.BatchNorm, out array, in []array) {
	x, scale, bias, mean, variance := in[0], in[1].v, in[2].v, in[3].v, in[4].v
	channels, size := x.shape[1], 1
	for _, d := range x.shape[2:] {
		size *= d
	}
	e.parallel(x.shape[0]*channels, func(i int) {
		c := i % channels
		deviation := math.Sqrt(variance[c] + op.Epsilon)
		from, to := x.row(i, size), out.row(i, size)
		for k, v := range from {
			to[k] = (v-mean[c])/deviation*scale[c] + bias[c]
		}
	})
}

// gemm is out[n,m] = Σₖ x[n,k]·weight[m,k] + bias[m].
func (e *exec) gemm(out array, in []array) {
	x, w := in[0], in[1]
	features := x.shape[1]
	e.parallel(w.shape[0], func(m int) {
		for n := range x.shape[0] {
			sum := 0.0
			for k, v := range x.row(n, features) {
				sum += v * w.v[m*features+k]
			}
			if len(in) == 3 {
				sum += in[2].v[m]
			}
			out.v[n*w.shape[0]+m] = sum
		}
	})
}

// matMul is out[…,m] = Σₖ x[…,k]·w[k,m].
func (e *exec) matMul(out, x, w array) {
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
