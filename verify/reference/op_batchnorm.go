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
