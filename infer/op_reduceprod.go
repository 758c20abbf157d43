package infer

import "github.com/repvit-go/repvit/graph"

var reduceProdLowering = reduceLowering(func(op graph.ReduceProd) graph.Reduction { return graph.Reduction(op) }, func(x []float32, over []axisRun) float64 {
	return along(x, over, 1, func(a float64, x []float32, step int) float64 {
		for i := 0; i < len(x); i += step {
			a = a * float64(x[i])
		}
		return a
	})
})
