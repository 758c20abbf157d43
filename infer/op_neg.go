package infer

import "github.com/repvit-go/repvit/graph"

var negLowering = functionLowering(func(graph.Neg) func(float64) float64 {
	return func(x float64) float64 { return -x }
})
