package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var tanhLowering = functionLowering(func(graph.Tanh) func(float64) float64 { return math.Tanh })
