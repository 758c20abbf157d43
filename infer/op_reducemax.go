package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var reduceMaxLowering = reduceLowering(func(op graph.ReduceMax) graph.Reduction { return graph.Reduction(op) }, func(x []float32, over []axisRun) float64 {
	return along(x, over, math.Inf(-1), func(a float64, x []float32, step int) float64 {
		for i := 0; i < len(x); i += step {
			a = max(a, float64(x[i]))
		}
		return a
	})
})
