package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var sigmoidLowering = activationLowering(func(graph.Sigmoid) activation {
	return activation{kernel.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }}
})
