package infer

import "github.com/repvit-go/repvit/graph"

var reduceMeanLowering = reduceLowering(func(op graph.ReduceMean) graph.Reduction { return graph.Reduction(op) }, func(x []float32, over []axisRun) float64 {
	count := 1
	for _, a := range over {
		count *= a.n
	}
	return total(x, over) / float64(count)
})
