package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var logLowering = functionLowering(func(graph.Log) func(float64) float64 { return math.Log })
