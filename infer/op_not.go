package infer

import "github.com/repvit-go/repvit/graph"

var notLowering = functionLowering(func(graph.Not) func(float64) float64 {
	return func(x float64) float64 { return 1 - x }
})
