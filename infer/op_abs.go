package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var absLowering = functionLowering(func(graph.Abs) func(float64) float64 { return math.Abs })
