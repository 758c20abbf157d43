package infer

import "github.com/repvit-go/repvit/graph"

var signLowering = functionLowering(func(graph.Sign) func(float64) float64 {
	return func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	}
})
