package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var geluLowering = activationLowering(func(graph.Gelu) activation {
	return activation{kernel.GELU, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }}
})
