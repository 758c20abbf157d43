package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var sqrtLowering = functionLowering(func(graph.Sqrt) func(float64) float64 { return math.Sqrt })
