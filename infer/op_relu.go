package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var reluLowering = activationLowering(func(graph.Relu) activation {
	return activation{kernel.ReLU, func(x float64) float64 { return max(x, 0) }}
})
