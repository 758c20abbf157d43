package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var sinLowering = functionLowering(func(graph.Sin) func(float64) float64 { return math.Sin })
