package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var ceilLowering = functionLowering(func(graph.Ceil) func(float64) float64 { return math.Ceil })
