package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var clipLowering = activationLowering(func(op graph.Clip) activation {
	return activation{kernel.Clamp(1, 0, float32(op.Min), float32(op.Max)), func(x float64) float64 { return min(max(x, op.Min), op.Max) }}
})
