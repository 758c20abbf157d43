package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var floorLowering = functionLowering(func(graph.Floor) func(float64) float64 { return math.Floor })
