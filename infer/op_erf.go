package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var erfLowering = functionLowering(func(graph.Erf) func(float64) float64 { return math.Erf })
