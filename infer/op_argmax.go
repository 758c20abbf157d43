package infer

import "github.com/repvit-go/repvit/graph"

var argMaxLowering = opLowering{lower: lowers(func(_ *lowering, b opBase, op graph.ArgMax) (operator, error) {
	return &reduceOp{b, op.Reduction(), func(x []float32, over []axisRun) float64 {
		return float64(argMax(x, over[0], op.SelectLastIndex))
	}}, nil
})}

// argMax returns the index of the largest element: the first of several, or the last. NaN is
// larger than all numbers.
func argMax(x []float32, over axisRun, last bool) int {
	best, top := 0, x[0]
	for i := 1; i < over.n; i++ {
		v := x[i*over.step]
		if v > top || v != v && top == top || last && (v == top || v != v && top != top) {
			best, top = i, v
		}
	}
	return best
}
