package infer

import "github.com/repvit-go/repvit/graph"

var leakyReluLowering = functionLowering(func(op graph.LeakyRelu) func(float64) float64 {
	return func(x float64) float64 {
		if x < 0 {
			return op.Alpha * x
		}
		return x
	}
})
