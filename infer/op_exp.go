package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var expLowering = functionLowering(func(graph.Exp) func(float64) float64 { return math.Exp })
