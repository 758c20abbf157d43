package infer

import "github.com/repvit-go/repvit/graph"

var argMaxLowering = opLowering{lower: lowers(func(_ *lowering, b opBase, op graph.ArgMax) (operator, error) {
	return &reduceOp{b, op.Reduction(), func(x []float32, over []axisRun) float64 {
		best := 0
		for i := range over[0].n {
			v, top := x[i*over[0].step], x[best*over[0].step]
			switch {
			case v > top, v != v && top == top, op.SelectLastIndex && (v == top || v != v && top != top):
				best = i
			}
		}
		return float64(best)
	}}, nil
})}
