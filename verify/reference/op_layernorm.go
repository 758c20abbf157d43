package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// layerNorm is (x − mean)/√(variance + ε)·scale + bias, the mean and the variance being those
// of the elements that differ in the operator's axes only.
func (e *exec) layerNorm(op graph.LayerNorm, out array, in []array) {
	x, scale := in[0], in[1]
	places := newPlaces(graph.Reduction{Axes: op.Axes}, x.shape)
	n := elements(scale.shape)
	mean, variance := make([]float64, len(x.v)/n), make([]float64, len(x.v)/n)
	for i, v := range x.v {
		mean[places.of(i)] += v / float64(n)
		if i%chunk == 0 && e.stopped() {
			return
		}
	}
	for i, v := range x.v {
		d := v - mean[places.of(i)]
		variance[places.of(i)] += d * d / float64(n)
		if i%chunk == 0 && e.stopped() {
			return
		}
	}
	// Scale and bias have the sizes of the operator's axes.
	inner := 1
	for _, d := range x.shape[len(x.shape)+op.Axes[len(op.Axes)-1]+1:] {
		inner *= d
	}
	e.chunks(len(x.v), func(from, to int) {
		for i := from; i < to; i++ {
			to, k := places.of(i), i/inner%n
			out.v[i] = (x.v[i] - mean[to]) / math.Sqrt(variance[to]+op.Epsilon) * scale.v[k]
			if len(in) > 2 {
				out.v[i] += in[2].v[k]
			}
		}
	})
}
