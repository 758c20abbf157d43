package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var roundLowering = functionLowering(func(graph.Round) func(float64) float64 { return math.RoundToEven })
