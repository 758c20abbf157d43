package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var cosLowering = functionLowering(func(graph.Cos) func(float64) float64 { return math.Cos })
