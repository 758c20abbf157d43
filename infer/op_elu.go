package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var eluLowering = functionLowering(func(op graph.Elu) func(float64) float64 {
	return func(x float64) float64 {
		if x < 0 {
			return op.Alpha * math.Expm1(x)
		}
		return x
	}
})
